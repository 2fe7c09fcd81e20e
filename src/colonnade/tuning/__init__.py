"""Searches: from one command to many run folders and one table."""

"""Launchers: where the jobs of a search run."""

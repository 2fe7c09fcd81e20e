"""Sequences: rows that have steps. A table of them has a row for each series, whose features are lists."""

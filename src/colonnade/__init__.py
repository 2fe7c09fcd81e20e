"""Colonnade: deep learning for tabular and sequence data, from raw columns to a deployable model.

Importing this package imports nothing heavy: torch and Lightning load with the room that uses them.
"""

__version__ = "0.1.0"

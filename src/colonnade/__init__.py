"""Colonnade: deep learning for tabular and sequence data, from raw columns to a deployable model.

Importing this package imports nothing heavy: torch and Lightning load with the room that uses them.
"""

import os

# polars keeps freed memory for long: tables are large and die young. Its allocator reads this when polars is imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:0")

__version__ = "0.1.0"

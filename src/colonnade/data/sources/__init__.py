"""Sources: files, databases, frames and embedded sets, read to polars frames; faults are named with line and fix."""

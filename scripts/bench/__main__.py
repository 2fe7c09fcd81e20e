"""Run the benchmarks: ``python scripts/bench [name ...]``; without names those that take minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("epoch", "encode", "process", "search", "windows")
ON_REQUEST = ("gpu", "half", "artefact", "artefact_series", "forecasters", "packed", "compiled")

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = set(chosen) - {*BENCHMARKS, *ON_REQUEST}
    if unknown:
        sys.exit(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join((*BENCHMARKS, *ON_REQUEST))}")
    for name in chosen:
        # A process each: what one has imported must not speed up, or slow down, another.
        subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py"))], check=True)

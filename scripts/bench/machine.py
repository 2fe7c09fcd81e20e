"""What a benchmark was measured on, and how a table of it is written."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "docs" / "benchmarks"
PACKAGES = ("torch", "lightning", "hydra-core", "polars", "numpy")


def processor() -> str:
    """Name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def header(title: str, command: str, note: str) -> str:
    """Title, command, machine and versions: what a reader needs to repeat the measurement."""
    versions = ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    return (
        f"# {title}\n\n"
        f"{note}\n\n"
        f"* Command: `{command}`\n"
        f"* Machine: {processor()}, {os.cpu_count()} cores\n"
        f"* Versions: Python {platform.python_version()}, {versions}\n"
        f"* Date: {datetime.date.today().isoformat()}\n"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def ratio(ours: Sequence[float], bare: Sequence[float]) -> str:
    """Median of the pairwise ratios, with the smallest and the largest.

    >>> ratio([2.0, 4.0, 3.0], [2.0, 2.0, 2.0])
    '1.50 (1.00-2.00)'
    """
    ratios = sorted(a / b for a, b in zip(ours, bare, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"


def write(name: str, text: str) -> None:
    """Write ``docs/benchmarks/<name>.md`` and show it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)

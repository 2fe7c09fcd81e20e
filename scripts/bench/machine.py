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
COMMAND = "* Command: "
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
        f"{COMMAND}`{command}`\n"
        f"* Machine: {processor()}, {os.cpu_count()} cores\n"
        f"* Versions: Python {platform.python_version()}, {versions}\n"
        f"* Date: {datetime.date.today().isoformat()}\n"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def update(
    name: str,
    head: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    key: int,
    above: str = "",
) -> None:
    """Write measured lines into the table of a page, and leave what else stands there: other lines, paragraphs that
    were put before the command, what follows the table. Without such a page it is made.

    Args:
        name: of the page.
        head: see :func:`header`; it takes the place of the page's, whose title and first paragraph it has.
        columns: of the table. A page that has no table of these columns gets it at its end, below ``above``.
        rows: the measured lines.
        key: first cells by which a line is told from others.
    """
    path = RESULTS / f"{name}.md"
    page = path.read_text() if path.exists() else ""
    write(name, merged(page, head, columns, rows, key=key, above=above))


def merged(
    page: str, head: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, key: int, above: str = ""
) -> str:
    """A page with measured lines, see :func:`update`; an empty one is made of them. Without any it stays."""
    if page and not rows:
        return page
    above = f"{above}\n\n" if above else ""
    if not page:
        return f"{head}\n{above}{table(columns, rows)}"
    before, _, rest = page.partition(COMMAND)
    _, _, body = rest.partition("\n\n")
    opening, _, measured = head.partition(COMMAND)
    further = "".join(f"{paragraph}\n\n" for paragraph in before.strip().split("\n\n")[2:])
    top = f"{opening}{further}{COMMAND}{measured}"
    title = "| " + " | ".join(columns) + " |\n"
    until, found, below = body.partition(title)
    if not found:
        return f"{top}\n{body.rstrip()}\n\n{above}{table(columns, rows)}"
    lines = below.split("\n")
    end = next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))
    known = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:end]]
    new = {tuple(map(str, row[:key])): [str(cell) for cell in row] for row in rows}
    stays = [new.pop(tuple(row[:key]), row) for row in known]
    return f"{top}\n{until}{table(columns, [*stays, *new.values()])}" + "\n".join(lines[end:])


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

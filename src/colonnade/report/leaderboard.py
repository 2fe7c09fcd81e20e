"""Leaderboard: the table at the end of a search, and its files."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colonnade.core.files import write_atomic
from colonnade.report.leaderboard_html import page
from colonnade.report.leaderboard_table import table
from colonnade.report.ranking import SEED, Group, Row, ranking
from colonnade.report.sheet import sheet
from colonnade.report.wording import failures, whereabouts

__all__ = ["Group", "Row", "ranking", "reproduce", "table", "write"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
COSTS = ("seconds", "epochs", "parameters")


def write(
    rows: Sequence[Row],
    folder: Path,
    *,
    title: str,
    command: str | None,
    figures: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write ``leaderboard.csv``, ``.md`` and ``.html``, each as a whole or not at all.

    Args:
        rows: all runs.
        folder: where; it exists.
        title: heading.
        command: what trains the best again; None: nothing is said.
        figures: images for the page, which holds copies of them; those that are not there are left out.
        notes: sentences to put below the table.
    """
    groups = ranking(rows)
    write_atomic(folder / "leaderboard.csv", _csv(groups))
    write_atomic(folder / "leaderboard.md", _markdown(groups, title, command, notes))
    write_atomic(folder / "leaderboard.html", page(groups, folder, title, command, figures, notes))


def reproduce(rows: Sequence[Row], program: str = "colonnade train") -> str | None:
    """The command that trains the best settings again, with all of their seeds; None when no run has a rank.

    Args:
        rows: all runs.
        program: what the command begins with.
    """
    best = next((group for group in ranking(rows) if group.rank == 1), None)
    if best is None:
        return None
    made = (best.best.result or {}).get("ensemble")
    if made is not None:
        return str(made["command"])
    words = [str(word) for word in (best.best.result or {}).get("overrides") or ()]
    seeds = list(dict.fromkeys(row.settings[SEED] for row in best.rows if SEED in row.settings))
    if len(seeds) > 1:
        words = [word for word in words if word.lstrip("+").partition("=")[0] != SEED]
        words = ["-m", *words, f"{SEED}={','.join(seeds)}"]
    return " ".join([program, *map(shlex.quote, words)])


def _csv(groups: Sequence[Group]) -> str:
    """A line for each run, the best group first."""
    rows = [(group, row) for group in groups for row in group.rows]
    keys = list(dict.fromkeys(key for _, row in rows for key in row.settings))
    metrics = [
        {f"{part}/{name}": value for part, named in _told(row, "metrics", {}).items() for name, value in named.items()}
        for _, row in rows
    ]
    names = list(dict.fromkeys(name for found in metrics for name in found))
    out = io.StringIO()
    sink = csv.writer(out, lineterminator="\n")
    sink.writerow(_cell(name) for name in ("rank", "key", "status", *keys, *names, *COSTS, "folder", "error", "log"))
    for (group, row), found in zip(rows, metrics):
        told = [group.rank, row.key, row.status, *(row.settings.get(key) for key in keys)]
        told += [*(found.get(name) for name in names), *(_told(row, name) for name in COSTS)]
        sink.writerow(_cell(value) for value in [*told, row.folder, _told(row, "error"), row.log])
    return out.getvalue()


def _told(row: Row, name: str, otherwise: Any = None) -> Any:
    found = (row.result or {}).get(name)
    return otherwise if found is None else found


def _cell(value: Any) -> str:
    """A cell that no spreadsheet runs as a formula.

    >>> _cell("=1+1"), _cell("-1.5"), _cell(0.25), _cell(None)
    ("'=1+1", '-1.5', '0.25', '')
    """
    text = "" if value is None else str(value)
    risky = text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and not NUMBER.fullmatch(text)
    return f"'{text}" if risky else text


def _markdown(groups: Sequence[Group], title: str, command: str | None, notes: Sequence[str]) -> str:
    """The grouped table, what failed, and what to type."""
    whole = sheet(groups)
    rows = [row for group in groups for row in group.rows]
    lines = [f"# {_escaped(title)}", ""]
    lines.append("| " + " | ".join(_escaped(column.name) for column in whole.columns) + " |")
    lines.append("|" + "|".join("---:" if column.numeric else "---" for column in whole.columns) + "|")
    lines += ["| " + " | ".join(_escaped(cell.text) for cell in line) + " |" for line in whole.lines]
    several = any(len(group.rows) > 1 for group in groups)
    remarks = [whereabouts(rows), "several seeds: mean ± standard deviation" if several else ""]
    told = [*(f"{remark[0].upper()}{remark[1:]}." for remark in remarks if remark), *notes]
    lines += [line for text in told for line in ("", _escaped(text))]
    failed = failures(rows)
    if failed:
        lines += ["", "## Failures", "", *(f"- {_escaped(str(failure))}" for failure in failed)]
    lines += ["", "## The best again", "", "```", command, "```"] if command else []
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    """Text in which Markdown finds no table, code, link or HTML."""
    return re.sub(r"([\\|`*\[\]<>])", r"\\\1", " ".join(text.split()))

"""The page of a leaderboard: one file that needs no network, in a light and a dark look."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from colonnade.report.ranking import SEED, Group, Row, values_of
from colonnade.report.sheet import Cell, on_test, sheet
from colonnade.report.table import duration, number
from colonnade.report.wording import as_number, base_of, brief, failures, name_of, place, spread, whereabouts, who

PAGES = Path(__file__).with_name("pages")
IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
# A drawing of the seeds of a line, in pixels.
STRIP, MARGIN = 90, 6
# With more runs than this the dots would be most of the file.
MAX_RUNS = 2000


@dataclass(frozen=True)
class Line:
    """A line of the table: its cells, the look of the line, the link of its folder, and the dots of its seeds."""

    cells: Sequence[Cell]
    look: str
    link: str
    dots: Sequence[float]
    mean: float | None


def page(
    groups: Sequence[Group],
    folder: Path,
    title: str,
    command: str | None,
    figures: Sequence[Path],
    notes: Sequence[str] = (),
) -> str:
    """The page as text.

    Every value passes through Jinja's escaping, and the page forbids itself (by a content security policy with hashes)
    any script, style and request but its own.

    Args:
        groups: see :func:`~colonnade.report.ranking.ranking`.
        folder: where the page will lie; links begin there.
        title: heading.
        command: what trains the best again.
        figures: images to embed.
        notes: sentences to put below the table.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    whole = sheet(groups)
    rows = [row for group in groups for row in group.rows]
    style, script = ((PAGES / name).read_text(encoding="utf-8") for name in ("leaderboard.css", "leaderboard.js"))
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("leaderboard.html").render(
        title=title,
        # Files of our own, which the hashes stand for.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        counts=Counter(row.status for row in rows),
        columns=whole.columns,
        brief=brief(list(dict.fromkeys(key for row in rows for key in row.settings))),
        lines=_lines(groups, whole.lines, folder),
        strip=STRIP,
        whereabouts=whereabouts(rows),
        several=any(len(group.rows) > 1 for group in groups),
        winners=[_winner(group) for group in groups if group.rank == 1],
        command=command,
        notes=notes,
        failures=failures(rows),
        images=[(name_of(path, folder), _embedded(path)) for path in figures if _shown(path)],
        runs=_runs(rows, folder),
    )


def _lines(groups: Sequence[Group], lines: Sequence[Sequence[Cell]], folder: Path) -> list[Line]:
    """The lines of the table, the dots of a problem on one scale."""
    measured: dict[Any, list[float]] = {}
    for group in groups:
        measured.setdefault(group.problem, []).extend(_measured(group))
    drawn = sum(len(group.rows) for group in groups) <= MAX_RUNS
    result = []
    for group, cells in zip(groups, lines):
        low, high = min(measured[group.problem], default=0.0), max(measured[group.problem], default=0.0)
        dots = [_at(value, low, high) for value in _measured(group)] if drawn and high > low else []
        mean = _at(group.value.mean, low, high) if group.value and len(dots) > 1 else None
        look = "best" if group.rank == 1 else "ranked" if group.rank else "unranked"
        link = _link(group.rows[0], folder) if len(group.rows) == 1 else ""
        result.append(Line(cells, look, link, dots, mean))
    return result


def _measured(group: Group) -> list[float]:
    """The monitored value of each finished run."""
    found = [values_of(row).get(group.monitor or "") for row in group.rows if row.status == "finished"]
    return [value for value in found if value is not None]


def _at(value: float, low: float, high: float) -> float:
    return round(MARGIN + (STRIP - 2 * MARGIN) * (value - low) / (high - low), 1)


def _winner(group: Group) -> dict[str, Any]:
    """What is said of the best settings."""
    test = group.stats.get(on_test(group.monitor))
    seconds, parameters = group.stats.get("seconds"), group.stats.get("parameters")
    facts = {
        f"{group.monitor}": spread(group.value) if group.value else "",
        on_test(group.monitor): spread(test) if test else "",
        "time": duration(seconds.mean) if seconds else "",
        "parameters": f"{parameters.mean:,.0f}" if parameters else "",
        "seeds": str(len(group.rows)) if len(group.rows) > 1 else "",
    }
    return {
        "settings": group.settings or {"run": group.rows[0].key},
        "facts": {name: text for name, text in facts.items() if text},
        "goal": "higher is better" if group.mode == "max" else "lower is better",
    }


def _runs(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Every run with everything that it measured."""
    keys = list(dict.fromkeys(key for row in rows for key in row.settings))
    keys.sort(key=lambda key: key == SEED)
    measured = [values_of(row) for row in rows]
    names = list(dict.fromkeys(name for found in measured for name in found))
    base = base_of(row.folder for row in rows)
    lines = []
    for row, found in zip(rows, measured):
        cells = [Cell(text, text if as_number(text) is None else as_number(text)) for text in _texts(row, keys)]
        cells += [Cell(_number(name, found[name]), found[name]) if name in found else Cell("") for name in names]
        where = place(Group({}, (row,)), base)
        lines.append({"cells": cells, "status": row.status, "link": _link(row, folder), "folder": where})
    return {"keys": keys, "names": names, "lines": lines}


def _texts(row: Row, keys: Sequence[str]) -> list[str]:
    return [row.settings.get(key, "") for key in keys] or [who(row.settings, row.key)]


def _number(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == "parameters" else number(value)


def _link(row: Row, folder: Path) -> str:
    """The way from the page to a run folder; the ./ keeps a name such as ``javascript:`` from being a scheme."""
    return "./" + quote(Path(os.path.relpath(row.folder, folder)).as_posix()) + "/"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _shown(path: Path) -> bool:
    return path.suffix.lower() in IMAGES and path.exists()


def _embedded(path: Path) -> str:
    return f"data:{IMAGES[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}"

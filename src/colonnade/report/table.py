"""The table at the end of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

UNDEFINED = "undefined"
FORECASTS = ("forecast", "forecast_quantile", "forecast_distribution")
"""Tasks whose errors have other units than what is predicted."""
UNITS = {
    "standard deviations of the train steps": ("mse", "mae", "rmse", "pinball_loss", "width"),
    "per cent": ("smape",),
}
"""Of their measures; the others have none."""
# Of more metrics, those of single targets are left out.
MOST_ROWS = 30


def summary(
    result: Mapping[str, Any], *, folder: Path, best_epoch: int | None = None, tensorboard: Path | None = None
) -> Group:
    """Metrics, and below them what a person asks next.

    Args:
        result: content of ``result.json``.
        folder: the run folder.
        best_epoch: epoch of the weights that were measured.
        tensorboard: folder of the TensorBoard events, when they are written.
    """
    from rich.console import Group
    from rich.text import Text

    best = "" if best_epoch is None else f", best {best_epoch} (counted from 0)"
    facts = {
        "epochs": f"{result['epochs']}{best}",
        "time": duration(result["seconds"]),
        "parameters": f"{result['parameters']:,}",
        "run folder": _short(folder),
    }
    if tensorboard is not None:
        facts["TensorBoard"] = f"tensorboard --logdir {_short(tensorboard)}"
    width = max(map(len, facts))
    lines = [Text.assemble((name.rjust(width), "dim"), "  ", fact) for name, fact in facts.items()]
    # Not a grid, which would break a long path.
    listing = Text("\n", no_wrap=True, overflow="ignore").join(lines)
    if not any(result["metrics"].values()):
        return Group(Text(f"{result['task']}: nothing is left to measure it on"), listing)
    return Group(metrics_table(result["metrics"], monitor=result["monitor"], task=result["task"]), listing)


def metrics_table(metrics: Mapping[str, Mapping[str, float | None]], *, monitor: str, task: str) -> Table:
    """A row for each metric and a column for each part of the data; the monitored metric first and marked.

    Args:
        metrics: by part (``val``, ``test``) and name; None or NaN where undefined. Parts without rows are left out. Of
            more than thirty, those of single targets are.
        monitor: ``task.monitor``.
        task: name of the task, for the heading.
    """
    from rich.table import Table

    table = Table(title=_plain(task), title_justify="left", title_style="bold", header_style="bold")
    parts = [part for part, values in metrics.items() if values]
    table.add_column("metric")
    for part in parts:
        table.add_column(part, justify="right")
    watched = monitor.split("/", 1)[-1]
    names = list(dict.fromkeys(name for part in parts for name in metrics[part]))
    below = _units(names) if task in FORECASTS else []
    if len(names) > MOST_ROWS:
        names = [name for name in names if name == watched or name.rpartition("/")[0] not in names]
        below.append("those of each target: result.json")
    table.caption = "; ".join(below) or None
    for name in sorted(names, key=lambda n: n != watched):
        cells = [number(metrics[part].get(name)) for part in parts]
        marked = name == watched
        table.add_row(_plain(f"{name} (monitored)" if marked else name), *cells, style="bold cyan" if marked else None)
    return table


def _units(names: Sequence[str]) -> list[str]:
    """In which units the measures of a forecast are."""
    known = {name.partition("/")[0] for name in names}
    told = {unit: [name for name in measures if name in known] for unit, measures in UNITS.items()}
    return [f"{', '.join(measures)}: in {unit}" for unit, measures in told.items() if measures]


def number(value: float | None) -> str:
    """Five significant digits; ``undefined`` for what has no value.

    >>> number(0.123456), number(12345678.0), number(None)
    ('0.12346', '1.2346e+07', 'undefined')
    """
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.5g}"


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(8.31), duration(83), duration(7383)
    ('8.3 s', '1 min 23 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _short(path: Path) -> str:
    """A path as one would type it here."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)


def _plain(text: str) -> Text:
    """Text in which a bracket is a bracket, not markup."""
    from rich.text import Text

    return Text(text)

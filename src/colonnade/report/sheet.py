"""Sheet: the cells of a leaderboard, for a terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from colonnade.report.ranking import Group
from colonnade.report.table import UNDEFINED
from colonnade.report.wording import about, as_number, base_of, named_after_settings, place, rounded, spread, standing

# Further metrics worth a column, in this order; then whatever else was measured on the test rows.
TELLING = ("accuracy", "auroc", "f1_score", "r2", "mae", "rmse", "exact_match", "balanced_accuracy")
EXTRAS = 2
NOTHING = "-"
ARROWS = {"min": "↓", "max": "↑"}


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        name: its heading.
        kind: ``rank``, ``setting``, ``metric``, ``further``, ``cost``, ``runs`` or ``folder``.
    """

    name: str
    kind: str

    @property
    def numeric(self) -> bool:
        """Whether its cells stand at the right."""
        return self.kind in ("rank", "metric", "further", "cost")


@dataclass(frozen=True)
class Cell:
    """A cell.

    Args:
        text: as shown.
        value: what it is sorted by; None comes last.
    """

    text: str
    value: float | str | None = None


@dataclass(frozen=True)
class Sheet:
    """Columns, and a line of cells for each group."""

    columns: tuple[Column, ...]
    lines: tuple[tuple[Cell, ...], ...]


def sheet(groups: Sequence[Group], *, extras: int = EXTRAS, compact: bool = False) -> Sheet:
    """The cells of ranked groups. Without a column of folders where these are named after the settings.

    Args:
        groups: see :func:`~colonnade.report.ranking.ranking`.
        extras: number of further test metrics, at most.
        compact: one digit of a standard deviation instead of two, and rounded counts.
    """
    rows = [row for group in groups for row in group.rows]
    keys = swept(groups)
    monitors = {group.monitor: group.mode for group in groups if group.monitor}
    further = _further(groups, extras) if len(monitors) == 1 else []
    base = base_of(row.folder for row in rows)
    self_evident = named_after_settings(rows)
    columns = [Column("#", "rank"), *(Column(key, "setting") for key in keys)]
    if len(monitors) == 1:
        [(monitor, mode)] = monitors.items()
        columns += [Column(f"{monitor} {ARROWS[mode]}", "metric"), Column(on_test(monitor), "metric")]
    else:
        columns += [Column("monitored", "metric"), Column("on test", "metric")]
    columns += [Column(name, "further") for name in further]
    columns += [Column("time", "cost"), Column("parameters", "cost"), Column("runs", "runs")]
    columns += [] if self_evident else [Column("folder", "folder")]
    lines = []
    for group in groups:
        line = [Cell(str(group.rank or NOTHING), group.rank)]
        line += [_setting(group.settings.get(key)) for key in keys]
        for name in (group.monitor or "", on_test(group.monitor)):
            cell = _metric(group, name, 1 if compact else 2)
            named = len(monitors) > 1 and cell.value is not None
            line.append(Cell(f"{name.partition('/')[2]} {cell.text}", cell.value) if named else cell)
        line += [_metric(group, name, 1 if compact else 2) for name in further]
        seconds, parameters = group.stats.get("seconds"), group.stats.get("parameters")
        line.append(Cell(about(seconds.mean), seconds.mean) if seconds else Cell(NOTHING))
        count = rounded if compact else "{:,.0f}".format
        line.append(Cell(count(parameters.mean), parameters.mean) if parameters else Cell(NOTHING))
        line.append(Cell(standing(group), group.finished))
        line += [] if self_evident else [Cell(place(group, base), place(group, base))]
        lines.append(tuple(line))
    return Sheet(tuple(columns), tuple(lines))


def swept(groups: Iterable[Group]) -> list[str]:
    """The keys of the settings, the seed left out, in the order of the first runs."""
    return list(dict.fromkeys(key for group in groups for key in group.settings))


def on_test(monitor: str | None) -> str:
    """The same metric on the test rows.

    >>> on_test("val/rmse")
    'test/rmse'
    """
    return f"test/{(monitor or '').partition('/')[2]}"


def _further(groups: Sequence[Group], n: int) -> list[str]:
    """The most telling test metrics beside the monitored one."""
    names = dict.fromkeys(name for group in groups for name in group.stats if name.startswith("test/"))
    shown = {on_test(group.monitor) for group in groups} | {"test/loss"}
    rest = [name for name in names if name not in shown]
    order = {f"test/{name}": i for i, name in enumerate(TELLING)}
    return sorted(rest, key=lambda name: order.get(name, len(order)))[:n]


def _setting(value: str | None) -> Cell:
    if value is None:
        return Cell(NOTHING)
    found = as_number(value)
    return Cell(value, value if found is None else found)


def _metric(group: Group, name: str, digits: int) -> Cell:
    """A metric of a group; when some of its seeds have none, with the number of those that do."""
    stat = group.stats.get(name)
    if stat is None:
        part, _, metric = name.partition("/")
        told = any(metric in ((row.result or {}).get("metrics") or {}).get(part, {}) for row in group.rows)
        return Cell(UNDEFINED if told and group.finished else NOTHING)
    return Cell(spread(stat, digits) + (f" (of {stat.n})" if stat.n < group.finished else ""), stat.mean)

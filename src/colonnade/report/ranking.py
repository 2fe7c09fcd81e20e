"""Ranking: the runs of a search, seeds of the same settings taken together, best first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

SEED = "seed"
# Settings that make another problem of it: what is measured on it has no order with what is measured elsewhere.
PROBLEM = ("data", "data.name", "data.path", "data.target", "task")
# For results that do not say which direction is good.
MINIMISED = ("loss", "log_loss", "brier", "calibration_error", "rmse", "mae", "mse", "pinball_loss")
# Of groups without a rank: what comes first.
UNRANKED = ("infeasible", "finished", "running", "waiting", "pruned", "failed")


@dataclass(frozen=True)
class Row:
    """One run.

    Args:
        key: its name, unique in the search.
        folder: path of its folder, as shown.
        status: ``finished``, ``failed``, ``pruned``, ``running``, ``waiting``, or ``infeasible`` for a run that
            finished and breaks a constraint.
        settings: swept keys with their values, as texts.
        result: content of ``result.json``; None before the run has ended.
        log: path of the log of a failure.
    """

    key: str
    folder: str
    status: str
    settings: Mapping[str, str]
    result: Mapping[str, Any] | None = None
    log: str | None = None


@dataclass(frozen=True)
class Stat:
    """A measured quantity over the runs that have it.

    Args:
        mean: its mean.
        sd: its standard deviation, with n - 1; None for one run.
        n: number of runs.
    """

    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Stat:
        """Of at least one value.

        >>> Stat.of([1.0, 3.0])
        Stat(mean=2.0, sd=1.4142135623730951, n=2)
        """
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Group:
    """Runs whose settings differ only in the seed.

    Args:
        settings: what they share, without the seed.
        rows: the runs.
        monitor: what the group is ranked by, such as ``val/rmse``; None when no run says.
        mode: ``min`` or ``max``, whichever is good for the monitor.
        stats: over the finished runs (where none finished, over the infeasible ones): ``val/<metric>``,
            ``test/<metric>``, ``seconds`` and ``parameters``. What is undefined everywhere is absent.
        rank: from 1, within the problem; equal means share a rank. None without a value of a finished run.
    """

    settings: Mapping[str, str]
    rows: tuple[Row, ...]
    monitor: str | None = None
    mode: str = "min"
    stats: Mapping[str, Stat] = field(default_factory=dict)
    rank: int | None = None

    @property
    def value(self) -> Stat | None:
        """The monitored metric; None where it is undefined."""
        return self.stats.get(self.monitor) if self.monitor else None

    @property
    def statuses(self) -> Counter[str]:
        """How many runs have which status."""
        return Counter(row.status for row in self.rows)

    @property
    def finished(self) -> int:
        """Number of finished runs."""
        return self.statuses["finished"]

    @property
    def problem(self) -> tuple[tuple[str, str], ...]:
        """Settings that say which data and task it is; ranks count within one of these."""
        return tuple((key, self.settings[key]) for key in PROBLEM if key in self.settings)

    @property
    def best(self) -> Row:
        """The finished run with the best monitored value; without one, the first run."""
        return best_row(self.rows) or self.rows[0]


def ranking(rows: Iterable[Row]) -> list[Group]:
    """Group runs and put the groups in order.

    Groups with a value come first, by the mean of what is monitored; then infeasible ones, those whose value is
    undefined, those that are not done, pruned ones, and at the end those of which every run failed. Runs of several
    data sets or tasks (see :attr:`Group.problem`) are ranked apart, problems in the order of their first run.

    Args:
        rows: in any order.
    """
    members: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        shared = {key: value for key, value in row.settings.items() if key != SEED}
        members.setdefault(tuple(sorted(shared.items())), []).append(row)
    problems: dict[tuple[tuple[str, str], ...], list[Group]] = {}
    for same in members.values():
        shared = {key: value for key, value in same[0].settings.items() if key != SEED}
        group = Group(shared, tuple(same))
        problems.setdefault(group.problem, []).append(group)
    return [group for groups in problems.values() for group in _ranked(groups)]


def values_of(row: Row) -> dict[str, float]:
    """What a run measured, by name; what is undefined is left out.

    >>> row = Row("a", "a", "finished", {}, {"metrics": {"val": {"rmse": 0.5, "r2": None}}, "seconds": 2})
    >>> values_of(row)
    {'val/rmse': 0.5, 'seconds': 2.0}
    """
    result = row.result or {}
    found = {
        f"{part}/{name}": value
        for part, metrics in (result.get("metrics") or {}).items()
        for name, value in metrics.items()
    }
    found |= {name: result.get(name) for name in ("seconds", "parameters")}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def monitored_value(row: Row) -> float | None:
    """What a run monitors, as it was measured; None where it is undefined."""
    return values_of(row).get(str((row.result or {}).get("monitor")))


def best_row(rows: Sequence[Row]) -> Row | None:
    """The finished run with the best monitored value; None where none has one."""
    monitor, mode = _goal(rows)
    finished = [(values_of(row).get(str(monitor)), row) for row in rows if row.status == "finished"]
    found = [(value, row) for value, row in finished if value is not None]
    return (max if mode == "max" else min)(found, key=lambda pair: pair[0])[1] if found else None


def _ranked(groups: Sequence[Group]) -> list[Group]:
    """The groups of one problem in order."""
    rows = [row for group in groups for row in group.rows]
    monitor, mode = _goal(rows)
    measured = [replace(group, monitor=monitor, mode=mode, stats=_stats(group)) for group in groups]
    sign = -1.0 if mode == "max" else 1.0
    done = sorted(((sign * g.value.mean, g) for g in measured if g.finished and g.value), key=lambda pair: pair[0])
    means = [mean for mean, _ in done]
    ordered = [replace(group, rank=means.index(mean) + 1) for mean, group in done]
    rest = [group for group in measured if not (group.finished and group.value)]
    return [*ordered, *sorted(rest, key=lambda g: min(UNRANKED.index(row.status) for row in g.rows))]


def _goal(rows: Sequence[Row]) -> tuple[str | None, str]:
    """What most runs monitor, and which direction is good for it. A failed run may not know."""
    results = [row.result for row in rows if row.result and row.result.get("monitor")]
    results = [r for r in results if r.get("status") != "failed"] or results
    if not results:
        return None, "min"
    [(monitor, _)] = Counter(str(result["monitor"]) for result in results).most_common(1)
    modes = [r.get("mode") for r in results if r["monitor"] == monitor and r.get("mode") in ("min", "max")]
    if modes:
        return monitor, str(modes[0])
    return monitor, "min" if monitor.partition("/")[2].partition("/")[0] in MINIMISED else "max"


def _stats(group: Group) -> dict[str, Stat]:
    """Over the finished runs, or else the infeasible ones, in the order in which a run tells them."""
    counted = [row for row in group.rows if row.status == "finished"]
    counted = counted or [row for row in group.rows if row.status == "infeasible"]
    series: dict[str, list[float]] = {}
    for row in counted:
        for name, value in values_of(row).items():
            series.setdefault(name, []).append(value)
    return {name: Stat.of(values) for name, values in series.items()}

"""Purged: a split of steps without those whose target lies in a later part."""

from __future__ import annotations

import numpy as np

from colonnade.core.schema import TargetKind
from colonnade.data.sequences.fold import starts_of
from colonnade.data.split.base import Splitter, check
from colonnade.data.split.cross import Fold
from colonnade.data.split.folds import Folds
from colonnade.data.split.ordered import Time
from colonnade.data.split.record import Split
from colonnade.data.split.time_folds import TimeFolds
from colonnade.data.table import Table


class Purged(Splitter):
    """The split of ``base``, in which no step is learned from, or chosen by, that is told what happens in a later part.

    A step is left out whose target is that of a step in another part; where the split is by time, also one whose target
    comes at or behind the first step of a later part (as López de Prado purges rows, 2018, chapter 7).

    Args:
        base: divides the steps.
        id: column that names the series of a step.
        lead: steps from a step to the one with its target.
        clock, due: columns of the time of a step, and of that of its target; None: there is none.
    """

    def __init__(self, base: Splitter, *, id: str, lead: int, clock: str | None, due: str | None) -> None:
        self.base = base
        self.id = id
        self.lead = lead
        self.clock = clock
        self.due = due

    def declares_test(self, table: Table) -> bool:
        """Where the base does."""
        return self.base.declares_test(table)

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        found = self.base.split(table, kind, seed)
        part = np.full(table.frame.height, -1)
        for i, rows in enumerate(found.parts().values()):
            part[rows] = i
        wrong = self._in_another(table, part) | self._behind(table, part)
        if not wrong.any():
            return found
        how = f"{found.how}; {int(wrong.sum()):,} steps whose target lies in a later part left out"
        split = Split.from_labels(np.where(wrong, -1, part), how)
        check(split, table, kind)
        return split

    def _in_another(self, table: Table, part: np.ndarray) -> np.ndarray:
        """Steps whose target is that of a step in another part, ``(N,)`` bool."""
        # An official part ends a series: its steps are no history of the next one.
        series = np.cumsum(starts_of(table.frame[self.id], table.parts))
        wrong = np.zeros(len(part), dtype=bool)
        same = series[self.lead :] == series[: -self.lead]
        early, late = part[: -self.lead], part[self.lead :]
        wrong[: -self.lead] = same & (early >= 0) & (late > early)
        return wrong

    def _behind(self, table: Table, part: np.ndarray) -> np.ndarray:
        """Of a split by time: steps whose target comes at or behind the first step of a later part, ``(N,)`` bool."""
        wrong = np.zeros(len(part), dtype=bool)
        if self.due is None or _column_of(self.base, table) != self.clock:
            return wrong
        now, due = (table.frame[name].to_physical().to_numpy() for name in (self.clock, self.due) if name is not None)
        for i in range(2):
            others = np.sort(now[part > i])
            mine = part == i
            # Whether a step of a later part lies between a step and its target.
            between = np.searchsorted(others, due, side="right") - np.searchsorted(others, now, side="right")
            wrong |= mine & (between > 0)
        return wrong


def _column_of(splitter: Splitter, table: Table) -> str | None:
    """The column by which rows are divided in time; None: they are not."""
    if isinstance(splitter, Fold):
        cross = splitter.cross
        if isinstance(cross, TimeFolds):
            return cross.order.column_of(table)
        splitter = cross.by if isinstance(cross, Folds) and cross.by is not None else splitter.base
    return splitter.column_of(table) if isinstance(splitter, Time) else None

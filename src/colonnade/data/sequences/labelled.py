"""Labelled: a split of steps without those that have no label, which are looked back at and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl

from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Splitter, check
from colonnade.data.split.record import Split
from colonnade.data.table import Table


def labelled(table: Table) -> pl.Series:
    """Which rows have all targets, ``(N,)`` Boolean."""
    return table.frame.select(pl.all_horizontal(pl.col(table.schema.targets).is_not_null())).to_series()


class Labelled(Splitter):
    """The split of ``base``, in which no step is learned from, or measured, that misses a target.

    Args:
        base: divides the steps.
    """

    def __init__(self, base: Splitter) -> None:
        self.base = base

    def declares_test(self, table: Table) -> bool:
        """Where the base does."""
        return self.base.declares_test(table)

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        found = self.base.split(table, kind, seed)
        there = labelled(table).to_numpy()
        if there.all():
            return found
        part = np.full(len(table), -1)
        for i, rows in enumerate(found.parts().values()):
            part[rows[there[rows]]] = i
        how = f"{found.how}; {int((~there).sum()):,} steps without a label are only looked back at"
        split = Split.from_labels(part, how)
        check(split, table, kind)
        return split

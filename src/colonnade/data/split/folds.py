"""K-fold: each fold is the test part of one run."""

from __future__ import annotations

import numpy as np

from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Divider, Splitter, check, need_share
from colonnade.data.split.choice import suggest
from colonnade.data.split.record import Split
from colonnade.data.table import Table


class KFold(Splitter):
    """Fold ``fold`` of ``folds`` is the test part; val comes from the rest. One seed gives the same folds.

    Folds by time move forward: the rows are cut into ``folds + 1`` stretches, and fold ``k`` is tested on stretch
    ``k + 1`` after learning from all before it; later rows are not used.

    Args:
        inner: how rows are divided (random, stratified, group or time); None: as the table suggests.
        folds: number of folds, at least 2.
        fold: which one, from 0.
        val: share of the remaining rows that becomes val, in (0, 1).

    Raises:
        ValueError: out of range; ``inner`` cannot make folds.
    """

    def __init__(self, *, inner: Divider | None = None, folds: int = 5, fold: int = 0, val: float = 0.2) -> None:
        if not isinstance(inner, Divider | None):
            name = type(inner).__name__
            raise ValueError(f"split.inner={name} cannot make folds: Random, Stratified, Group, Time or null")  # noqa: TRY004
        if folds < 2:
            raise ValueError(f"split.folds={folds} must be at least 2")
        if not 0 <= fold < folds:
            raise ValueError(f"split.fold={fold} must be between 0 and {folds - 1}")
        need_share("val", val)
        self.inner = inner
        self.folds = folds
        self.fold = fold
        self.val = val

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        divider = suggest(table, kind) if self.inner is None else self.inner
        rows = np.arange(table.frame.height)
        n, test = (self.folds + 1, self.fold + 1) if divider.ordered else (self.folds, self.fold)
        fold_of = divider.assign(table, kind, rows, (1.0,) * n, np.random.default_rng(seed))
        rest = rows[fold_of < test] if divider.ordered else rows[fold_of != test]
        labels = np.full(len(rows), -1)
        labels[fold_of == test] = 2
        rng = np.random.default_rng((seed, self.fold))
        labels[rest] = divider.assign(table, kind, rest, (1 - self.val, self.val), rng)
        split = Split.from_labels(labels, f"fold {self.fold} of {self.folds}, {divider.describe(table)}")
        check(split, table, kind)
        return split

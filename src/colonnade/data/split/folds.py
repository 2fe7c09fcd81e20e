"""K-fold: rows cut into folds by chance, within classes, by groups or in order; and one fold as the split of a run."""

from __future__ import annotations

from typing import Literal

import numpy as np

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Divider, Splitter, check, need_seed, need_share
from colonnade.data.split.choice import suggest
from colonnade.data.split.cross import FOLD, UNUSED, CrossValidator, RowFolds
from colonnade.data.split.record import Split
from colonnade.data.table import Table


class Folds(RowFolds):
    """Folds of about the same size.

    Folds by time move forward: the rows are cut into ``folds + 1`` stretches, and fold ``k`` is stretch ``k + 1``, with
    all before it to learn from; later rows are not used. :class:`~colonnade.data.split.time_folds.TimeFolds` can also
    keep a distance.

    Args:
        by: how rows are divided (random, stratified, group or time); None: as the table suggests.
        folds, repeats, val, hold_out, inner, packed: see :class:`~colonnade.data.split.cross.RowFolds`.

    Raises:
        ValueError: out of range; ``by`` cannot make folds.
    """

    def __init__(
        self,
        *,
        by: Divider | None = None,
        folds: int = 5,
        repeats: int = 1,
        val: float = 0.2,
        hold_out: Literal["declared", "split", "none"] = "declared",
        inner: CrossValidator | None = None,
        packed: bool = False,
    ) -> None:
        super().__init__(folds=folds, repeats=repeats, val=val, hold_out=hold_out, inner=inner, packed=packed)
        if not isinstance(by, Divider | None):
            raise ValueError(f"cv.by={type(by).__name__} cannot make folds: Random, Stratified, Group, Time or null")  # noqa: TRY004
        self.by = by

    def assign(self, table: Table, kind: TargetKind, rows: np.ndarray, fold: int, seed: int) -> np.ndarray:
        """See :meth:`RowFolds.assign`."""
        divider = self._divider(table, kind)
        if divider.ordered and self.repeats > 1:
            raise DataError(f"cv.repeats={self.repeats}: folds by time come out the same each time; cv.repeats=1")
        repeat, number = divmod(fold, self.folds)
        n, wanted = (self.folds + 1, number + 1) if divider.ordered else (self.folds, number)
        # The first repeat has the folds of split=kfold.
        drawn = np.random.default_rng(seed if repeat == 0 else (seed, self.folds, repeat))
        fold_of = divider.assign(table, kind, rows, (1.0,) * n, drawn)
        outside = fold_of < wanted if divider.ordered else fold_of != wanted
        labels = np.full(len(rows), UNUSED)
        labels[fold_of == wanted] = FOLD
        rng = np.random.default_rng((seed, fold))
        labels[outside] = divider.assign(table, kind, rows[outside], (1 - self.val, self.val), rng)
        return labels

    def describe(self, table: Table, kind: TargetKind) -> str:
        """What is done, in words."""
        return self._divider(table, kind).describe(table)

    def _divider(self, table: Table, kind: TargetKind) -> Divider:
        return suggest(table, kind) if self.by is None else self.by


class KFold(Splitter):
    """Fold ``fold`` of ``folds`` is the test part; val comes from the rest. One seed gives the same folds.

    Args:
        inner: how rows are divided (random, stratified, group or time); None: as the table suggests. Folds by time move
            forward, see :class:`Folds`.
        folds: number of folds, at least 2.
        fold: which one, from 0.
        val: share of the remaining rows that becomes val, in (0, 1).
        seed: see :attr:`~colonnade.data.split.base.Splitter.seed`.

    Raises:
        ValueError: out of range; ``inner`` cannot make folds.
    """

    def __init__(
        self,
        *,
        inner: Divider | None = None,
        folds: int = 5,
        fold: int = 0,
        val: float = 0.2,
        seed: int | None = None,
    ) -> None:
        self.seed = need_seed(seed)
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
        cross = Folds(by=divider, folds=self.folds, val=self.val)
        labels = cross.assign(table, kind, np.arange(table.frame.height), self.fold, self.chance(seed))
        split = Split.from_labels(labels, f"fold {self.fold} of {self.folds}, {divider.describe(table)}")
        check(split, table, kind)
        return split

"""Folds by time that keep a distance, so that no train row tells of what happens in a fold."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.split.cross import FOLD, TRAIN, UNUSED, VAL, CrossValidator, RowFolds
from colonnade.data.split.ordered import Time
from colonnade.data.table import Table

MICROSECONDS = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class TimeFolds(RowFolds):
    """Folds that are stretches of time (López de Prado, Advances in Financial Machine Learning, 2018, chapter 7).

    Where a target is known only some time after its features, the target of a row before a fold tells of the fold:
    such rows are purged. After a fold, features that look back do the same: they are kept away by the embargo.

    Args:
        purge: time that a target looks ahead. A row is not trained on when its target and that of a row of the fold
            share a part of their time, on either side; likewise beside val.
        embargo: further time after a fold in which no row is trained on; without effect when folds move forward.
        forward: a fold learns from what came before it alone: the rows are cut into ``folds + 1`` stretches, of which
            the first is never a fold. False: also from what comes after it.
        column: the column that orders the rows; None: ``data.time``.
        folds, val, hold_out, inner, packed: see :class:`~colonnade.data.split.cross.RowFolds`; val is the latest part.

    ``purge`` and ``embargo`` are numbers in the units of a numeric column, or texts such as ``"36h"`` for datetimes: a
    number with ``s``, ``m`` (minutes), ``h``, ``d`` or ``w``.

    Raises:
        ValueError: out of range, or a text that is no duration.
    """

    def __init__(
        self,
        *,
        purge: float | str = 0,
        embargo: float | str = 0,
        forward: bool = True,
        column: str | None = None,
        folds: int = 5,
        val: float = 0.2,
        hold_out: Literal["declared", "split", "none"] = "declared",
        inner: CrossValidator | None = None,
        packed: bool = False,
    ) -> None:
        super().__init__(folds=folds, val=val, hold_out=hold_out, inner=inner, packed=packed)
        for name, value in (("purge", purge), ("embargo", embargo)):
            wrong = not DURATION.fullmatch(value) if isinstance(value, str) else not 0 <= value < float("inf")
            if wrong:
                raise ValueError(f"cv.{name}={value!r} must be a number from 0, or a duration such as 12h, 7d or 2w")
        self.purge = purge
        self.embargo = embargo
        self.forward = forward
        self.order = Time(column=column)

    def assign(self, table: Table, kind: TargetKind, rows: np.ndarray, fold: int, seed: int) -> np.ndarray:
        """See :meth:`RowFolds.assign`; nothing is left to chance."""
        rng = np.random.default_rng(seed)
        n, wanted = (self.folds + 1, fold + 1) if self.forward else (self.folds, fold)
        stretch = self.order.assign(table, kind, rows, (1.0,) * n, rng)
        column = table.frame[self.order.column_of(table)].gather(rows)
        times = column.to_physical().to_numpy()
        purge, embargo = (_span(name, getattr(self, name), column) for name in ("purge", "embargo"))
        outside = stretch < wanted if self.forward else stretch != wanted
        outside &= _apart(times, times[stretch == wanted], purge, embargo)
        labels = np.full(len(rows), UNUSED)
        labels[stretch == wanted] = FOLD
        if purge + embargo > 0 and len(np.unique(times[outside])) < 2:
            raise self._nothing_left(fold)
        labels[outside] = self.order.assign(table, kind, rows[outside], (1 - self.val, self.val), rng)
        near = ~_apart(times, times[labels == VAL], purge, embargo)
        labels[(labels == TRAIN) & near] = UNUSED
        if not (labels == TRAIN).any():
            raise self._nothing_left(fold)
        return labels

    def _nothing_left(self, fold: int) -> DataError:
        return DataError(
            f"fold {fold}: no rows are left to train on beside those that stop the training, cv.purge={self.purge} "
            f"cv.embargo={self.embargo} take the others; smaller ones, or fewer folds (cv.folds=)"
        )

    def describe(self, table: Table, kind: TargetKind) -> str:
        """What is done, in words."""
        direction = "forward" if self.forward else "from both sides"
        return f"{direction}, {self.order.describe(table)}, purge {self.purge}, embargo {self.embargo}"


def _apart(times: np.ndarray, others: np.ndarray, purge: float, embargo: float) -> np.ndarray:
    """Which times keep their distance from a stretch: more than ``purge`` before it, more than both after it."""
    return (times < others.min() - purge) | (times > others.max() + purge + embargo)


def _span(name: str, value: float | str, column: pl.Series) -> float:
    """A distance in the physical unit of the column.

    Raises:
        DataError: a number for datetimes, or a duration for numbers; 0 is both.
    """
    dated = column.dtype.is_temporal()
    if value == 0:
        return 0
    if isinstance(value, str) != dated:
        wanted = "datetimes: give a duration, such as 7d" if dated else "numbers: give a number in its units"
        raise DataError(f"cv.{name}={value}: the time column '{column.name}' holds {wanted}")
    if not isinstance(value, str):
        return value
    found = DURATION.fullmatch(value)
    assert found is not None
    return float(found[1]) * MICROSECONDS[found[2]]

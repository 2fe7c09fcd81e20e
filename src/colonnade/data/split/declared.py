"""Splits that somebody else decided: the official parts of a data set, a column, or ranges of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, closest
from colonnade.core.schema import TargetKind
from colonnade.data.doubts import count_values, quoted
from colonnade.data.split.base import Splitter, check, need_seed, need_share
from colonnade.data.split.choice import suggest
from colonnade.data.split.record import PARTS, Split
from colonnade.data.table import Table


class Official(Splitter):
    """The parts that the data set was published with. Without a val part, a share of train is held out for it.

    Args:
        val: share of the official train part that becomes val when there is none, in (0, 1).
        group_duplicates: rows with the same features are held out together.
        seed: see :attr:`~colonnade.data.split.base.Splitter.seed`.

    Raises:
        ValueError: ``val`` or ``seed`` out of range.
    """

    def __init__(self, *, val: float = 0.2, group_duplicates: bool = False, seed: int | None = None) -> None:
        self.seed = need_seed(seed)
        need_share("val", val)
        self.val = val
        self.group_duplicates = group_duplicates

    def declares_test(self, table: Table) -> bool:
        """Always."""
        return True

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        lacking = [name for name in ("train", "test") if name not in table.parts]
        if lacking:
            known = ", ".join(table.parts) or "none"
            raise DataError(f"the data set has no official {' and '.join(lacking)} part (it has: {known}): split=auto")
        labels = np.full(table.frame.height, -1)
        for name, (start, stop) in table.parts.items():
            labels[start:stop] = PARTS.index(name)
        return _finish(labels, table, kind, self.chance(seed), "official parts", self.val, self.group_duplicates)


class Predefined(Splitter):
    """Parts by the values of a column, or by ranges of rows of the source.

    Args:
        column: column that names the part of each row; it must not be a feature.
        train, val, test: its value for each part; rows with ``unused`` values are left out.
        unused: values that belong to no part.
        rows: instead of a column, ``{part: [start, stop]}``, rows counted from 0 in the source, ``stop`` not included.
        val_share: share of train that becomes val when there is no val part, in (0, 1).
        seed: see :attr:`~colonnade.data.split.base.Splitter.seed`.

    Raises:
        ValueError: both or neither of ``column`` and ``rows``; unknown parts; ranges that are empty or overlap; a
            ``seed`` below 0.
    """

    def __init__(
        self,
        *,
        column: str | None = None,
        train: str = "train",
        val: str = "val",
        test: str = "test",
        unused: Sequence[str] = (),
        rows: Mapping[str, Sequence[int]] | None = None,
        val_share: float = 0.2,
        seed: int | None = None,
    ) -> None:
        self.seed = need_seed(seed)
        if (column is None) == (rows is None):
            raise ValueError("a predefined split needs either split.column or split.rows, and null for the other")
        need_share("val_share", val_share)
        self.column = column
        self.values = {str(train): 0, str(val): 1, str(test): 2} | {str(v): -1 for v in unused}
        self.rows = {name: (int(start), int(stop)) for name, (start, stop) in (rows or {}).items()}
        self.val_share = val_share
        self._check_rows()

    def _check_rows(self) -> None:
        for name, (start, stop) in self.rows.items():
            if name not in PARTS:
                raise ValueError(f"split.rows.{name} is no part{closest(name, PARTS)}")
            if not 0 <= start < stop:
                raise ValueError(f"split.rows.{name}=[{start}, {stop}] must be [start, stop] with 0 <= start < stop")
        ranges = sorted((start, stop, name) for name, (start, stop) in self.rows.items())
        for (_, stop, first), (start, _, second) in pairwise(ranges):
            if start < stop:
                raise ValueError(f"split.rows.{first} and split.rows.{second} overlap")

    def declares_test(self, table: Table) -> bool:
        """Always."""
        return True

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        if self.column is None:
            labels, how = self._by_rows(table), "ranges of rows"
        else:
            labels, how = self._by_column(table, self.column), f"by the column '{self.column}'"
        return _finish(labels, table, kind, self.chance(seed), how, self.val_share, group_duplicates=False)

    def _by_rows(self, table: Table) -> np.ndarray:
        ids = np.arange(table.frame.height) if table.row_ids is None else table.row_ids
        labels = np.full(table.frame.height, -1)
        for name, (start, stop) in self.rows.items():
            if stop > ids.max() + 1 and table.row_ids is None:
                raise DataError(f"split.rows.{name}=[{start}, {stop}] is beyond the {len(ids):,} rows of the table")
            labels[(ids >= start) & (ids < stop)] = PARTS.index(name)
        return labels

    def _by_column(self, table: Table, column: str) -> np.ndarray:
        if column in table.schema.columns and column not in table.frame.columns:
            raise DataError(f"split column '{column}' changes within a series, which stays whole")
        if column not in table.frame.columns:
            raise DataError(f"split.column={column} is no column{closest(column, table.frame.columns)}")
        if column in table.schema.features:
            raise DataError(f"split column '{column}' is also a feature: data.exclude.{quoted(column)}=split")
        values = table.frame[column].cast(pl.String)
        strange = count_values(values.filter(~values.is_in(list(self.values))))
        if n := values.null_count():
            raise DataError(f"split column '{column}' is missing in {n:,} rows")
        if len(strange):
            listed = ", ".join(f"{v!r} ({n:,} rows)" for v, n in strange.head(8).rows())
            raise DataError(
                f"split column '{column}' holds values that name no part: {listed}; expected {', '.join(self.values)}: "
                "say split.train=, split.val=, split.test= or split.unused=[...]"
            )
        return values.replace_strict(self.values, return_dtype=pl.Int64).to_numpy()


def _finish(
    labels: np.ndarray, table: Table, kind: TargetKind, seed: int, how: str, val: float, group_duplicates: bool
) -> Split:
    """Hold out val from train where the declaration has none, and check."""
    if not (labels == 1).any() and (labels == 0).any():
        labels = labels.copy()
        train = np.flatnonzero(labels == 0)
        divider = suggest(table, kind, group_duplicates=group_duplicates, rare="train")
        held = divider.assign(table, kind, train, (1 - val, val), np.random.default_rng(seed))
        labels[train] = held
        how = f"{how}; val is {val:.0%} of train, {divider.describe(table)}"
    split = Split.from_labels(labels, how)
    check(split, table, kind)
    return split

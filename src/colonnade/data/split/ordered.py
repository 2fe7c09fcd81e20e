"""Split by time: the past trains, the future tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, closest
from colonnade.core.schema import Kind, TargetKind
from colonnade.data.split.allocate import counts_of
from colonnade.data.split.base import Divider, need_units
from colonnade.data.table import Table


class Time(Divider):
    """Rows in order of time, whatever their order in the file: the earliest train, the latest test.

    A tie never crosses a cut: rows of one instant stay on one side, where the shares come nearer to those asked.

    Args:
        val, test: shares of the rows.
        column: the column that orders the rows; None: ``data.time``.
    """

    ordered = True

    def __init__(self, *, val: float = 0.16, test: float = 0.2, column: str | None = None) -> None:
        super().__init__(val=val, test=test)
        self.column = column

    def assign(
        self, table: Table, kind: TargetKind, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator
    ) -> np.ndarray:
        """See :meth:`Divider.assign`; the shares follow each other in time."""
        name = self.column_of(table)
        times = table.frame[name].gather(rows)
        if missing := times.null_count():
            first = times.is_null().arg_true().head(3).to_list()
            listed = ", ".join(str(int(rows[i])) for i in first)
            raise DataError(
                f"time column '{name}' is missing in {missing:,} rows (first rows {listed}): a time split "
                "cannot place them; fill it, or leave them out"
            )
        instants, inverse, sizes = np.unique(times.to_physical().to_numpy(), return_inverse=True, return_counts=True)
        need_units(len(instants), shares, f"different times of '{name}'")
        after = np.cumsum(sizes)  # rows up to and with each instant: the only places where a cut may be
        labels = np.zeros(len(instants), dtype=np.int64)
        previous = 0
        for k, wanted in enumerate(np.cumsum(counts_of(len(rows), shares))[:-1]):
            nearest = int(np.abs(after - wanted).argmin()) + 1
            left = len(shares) - 1 - k
            cut = min(max(nearest, previous + 1), len(instants) - left)
            labels[cut:] = k + 1
            previous = cut
        return labels[inverse]

    def describe(self, table: Table) -> str:
        """What is done, in words."""
        name = self.column_of(table)
        times = table.frame[name]
        order = "" if times.is_sorted() else " (the file was not in order)"
        return f"by time '{name}', {times.min()!s} to {times.max()!s}{order}"

    def column_of(self, table: Table) -> str:
        """Name of the column that orders the rows.

        Raises:
            DataError: none is named, or it holds no times.
        """
        name = self.column or table.schema.time
        if name is None:
            raise DataError(
                "a time split needs its column: data.time=<column> or split.column=<column> (cv.column, of folds by "
                "time); of steps, whose series it cuts, split.column=<column> data.columns.<column>=datetime"
            )
        if name not in table.frame.columns:
            raise DataError(f"split.column={name} is no column{closest(name, table.frame.columns)}")
        kind = table.schema.columns[name].kind
        if kind is not Kind.DATETIME and not table.frame.schema[name].is_numeric():
            raise DataError(f"column '{name}' is {kind}, not a time: data.columns.{name}=datetime")
        if table.frame[name].dtype == pl.Float64 and table.frame[name].is_nan().any():
            raise DataError(f"time column '{name}' holds NaN")
        return name

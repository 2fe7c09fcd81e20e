"""Likely: which columns may name the series of a table and order their steps, as a hint for who has not said."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.sequences.clock import instants

_ROWS = 100_000
"""Rows that are looked at."""
_PAIRS = 20
"""Rows behind another of their series that must hold a larger number."""


def likely(frame: pl.DataFrame) -> str:
    """In words, the first columns that name series in which no time stands twice, or, without dates, a number goes up
    from row to row; empty where there are none.

    Args:
        frame: a row for each step.

    >>> from datetime import date
    >>> likely(pl.DataFrame({"shop": ["a", "b", "a", "b"], "day": [date(2024, 1, 1 + i // 2) for i in range(4)]}))
    '; data.id=shop data.time=day would fit: 2 series'
    >>> likely(pl.DataFrame({"day": [date(2024, 1, 1 + i) for i in range(4)], "y": [1.0, 2.0, 3.0, 4.0]}))
    '; data.id=null data.time=day would fit: one series'
    """
    few = frame.head(_ROWS)
    shown = "" if len(few) == frame.height else f" in the first {_ROWS:,} rows"
    for name, time in _times(few):
        if time.is_sorted() and time.n_unique() == len(time):
            return f"; data.id=null data.time={name} would fit: one series{shown}"
        for id in _ids(few, name):
            if _each_once(id, time):
                return f"; data.id={id.name} data.time={name} would fit: {id.n_unique():,} series{shown}"
    for name, number in _numbers(few):
        for id in _ids(few, name):
            if _goes_up(id, number):
                return f"; data.id={id.name} data.time={name} would fit: {id.n_unique():,} series{shown}"
    return ""


def _ids(frame: pl.DataFrame, time: str) -> Iterator[pl.Series]:
    """Columns that may name series, of two steps or more on average."""
    for column in frame:
        of_names = column.name != time and (column.dtype == pl.String or column.dtype.is_integer())
        if of_names and not column.null_count() and 1 < column.n_unique() <= len(column) // 2:
            yield column


def _times(frame: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
    """Columns that hold dates or times, and miss none."""
    for column in frame:
        if column.null_count() or not (column.dtype == pl.String or column.dtype.is_temporal()):
            continue
        try:
            times = instants(column, "")
        except DataError:
            continue
        if isinstance(times.dtype, (pl.Date, pl.Datetime)):
            yield column.name, times


def _numbers(frame: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
    """Columns of numbers, none of which is missing; those that only number the rows are left out."""
    for column in frame:
        if column.dtype.is_numeric() and not column.null_count() and (column.diff() <= 0).any():
            yield column.name, column


def _each_once(id: pl.Series, time: pl.Series) -> bool:
    """Whether a series has no time twice, and, where no time stands twice at all, its steps stand in their order: any
    column would name series of such times."""
    both = pl.DataFrame({"id": id, "time": time})
    if not both.is_unique().all():
        return False
    later = (pl.col("time") >= pl.col("time").shift(1)).over("id").fill_null(True)
    return time.n_unique() < len(time) or bool(both.select(later.all()).item())


def _goes_up(id: pl.Series, number: pl.Series) -> bool:
    """Whether a number is larger in each row of a series than in the one before, and in enough of them."""
    later = pl.DataFrame({"id": id, "number": number}).select(pl.col("number").diff().over("id")).to_series()
    return later.count() >= _PAIRS and bool((later.drop_nulls() > 0).all())

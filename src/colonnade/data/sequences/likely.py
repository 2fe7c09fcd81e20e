"""Likely: which columns may name the series of a table and order their steps, as a hint for who has not said."""

from __future__ import annotations

import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.sequences.clock import instants

_ROWS = 100_000
"""Rows that are looked at."""


def likely(frame: pl.DataFrame) -> str:
    """In words, the first columns that name series in which no time stands twice; empty where there are none.

    Args:
        frame: a row for each step.

    >>> from datetime import date
    >>> likely(pl.DataFrame({"shop": ["a", "b", "a", "b"], "day": [date(2024, 1, 1 + i // 2) for i in range(4)]}))
    '; data.id=shop data.time=day would fit: 2 series'
    >>> likely(pl.DataFrame({"day": [date(2024, 1, 1 + i) for i in range(4)], "y": [1.0, 2.0, 3.0, 4.0]}))
    '; data.id=null data.time=day would fit: one series'
    """
    few = frame.head(_ROWS)
    for time in (column for column in few if _is_time(column)):
        if time.n_unique() == len(time):
            return f"; data.id=null data.time={time.name} would fit: one series"
        for id in few:
            named = id.name != time.name and (id.dtype == pl.String or id.dtype.is_integer())
            n = id.n_unique() if named and not id.null_count() else 0
            if 1 < n <= len(id) // 2 and few.select(id.name, time.name).is_unique().all():
                shown = "" if len(few) == frame.height else f" in the first {_ROWS:,} rows"
                return f"; data.id={id.name} data.time={time.name} would fit: {n:,} series{shown}"
    return ""


def _is_time(column: pl.Series) -> bool:
    """Whether a column holds dates or times, and misses none."""
    if column.null_count() or not (column.dtype == pl.String or column.dtype.is_temporal()):
        return False
    try:
        return isinstance(instants(column, "").dtype, (pl.Date, pl.Datetime))
    except DataError:
        return False

"""Elapsed: the channel that holds the time since the step before."""

from __future__ import annotations

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, SchemaError
from colonnade.data.sequences.clock import check_present, instants

ELAPSED = "elapsed"
"""Name of the channel."""
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
NUMBER = "number"
"""Unit of times that are numbers: theirs."""


def check_unit(unit: str | None, time: str | None) -> None:
    """Refuse a unit that is none, or one without a column of times.

    Raises:
        ValueError: naming both arguments.
    """
    if unit is None:
        return
    if unit not in (*UNITS, NUMBER):
        raise ValueError(f"elapsed={unit!r}: one of {', '.join((*UNITS, NUMBER))}, or null")
    if time is None:
        raise ValueError(f"elapsed={unit} is the time between steps: set time")


def with_elapsed(
    frame: pl.DataFrame, unit: str, *, time: str, starts: np.ndarray, where: str, timezone: str | None = None
) -> pl.DataFrame:
    """The rows with the channel, 0 where a series begins.

    Args:
        frame: the steps of a series one after the other, by time.
        unit: of :data:`UNITS`; or :data:`NUMBER`, of times that are numbers.
        time: column of times.
        starts: which rows begin a series, ``(N,)`` bool.
        where: file, for messages.
        timezone: see :func:`~colonnade.data.sequences.clock.instants`.

    Raises:
        SchemaError: there is such a column already.
        DataError: a time is missing, or times are not what the unit is of.
    """
    if ELAPSED in frame.columns:
        raise SchemaError(f"{where}: there is a column '{ELAPSED}' already: data.elapsed=null, or rename it")
    times = present(frame, time, where, timezone)
    dated, numbers = isinstance(times.dtype, (pl.Date, pl.Datetime)), times.dtype.is_numeric()
    if not (numbers if unit == NUMBER else dated):
        held, better = (
            ("dates or times", "hours") if dated else ("numbers", NUMBER) if numbers else ("times of day", "")
        )
        wanted = "numbers" if unit == NUMBER else "dates or times"
        raise DataError(
            f"{where}: column '{time}' (data.time) holds {held}, no {wanted}: data.elapsed={better or 'null'}"
        )
    if unit == NUMBER:
        values, size = times.cast(pl.Float64).to_numpy(), 1.0
    else:
        values, size = times.cast(pl.Datetime("us")).dt.timestamp("us").to_numpy() / 1e6, UNITS[unit]
    return frame.with_columns(pl.Series(ELAPSED, np.where(starts, 0.0, np.diff(values, prepend=values[:1])) / size))


def present(frame: pl.DataFrame, time: str, where: str, timezone: str | None) -> pl.Series:
    """The column of times, none of which is missing; see :func:`~colonnade.data.sequences.clock.instants`."""
    check_present(frame[time], "time", where)
    return instants(frame[time], where, timezone)

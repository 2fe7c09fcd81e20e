"""Fold: from a table with a row for each step to one with a row for each series, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, SchemaError, closest
from colonnade.data.sequences.clock import check_present, instants
from colonnade.data.sequences.likely import likely
from colonnade.data.sources.ts import SERIES
from colonnade.data.table import Table

NAME_ONE = "; data.id=<column that names the series of a row>, or data.id=null: all rows are one series"
_SHOWN = 5
# No column of a file is called so.
_INDEX = "\x00series"


def in_order(
    frame: pl.DataFrame,
    *,
    id: str,
    time: str | None,
    parts: Mapping[str, tuple[int, int]],
    where: str,
    goes_on: bool = False,
    timezone: str | None = None,
) -> pl.DataFrame:
    """The steps of each series one after the other; series stand in the order of their first row.

    Args:
        frame: a row for each step.
        id: names the series of a row; a series does not go beyond its part.
        time: numbers, times, or text of either, by which the steps of a series are ordered; None: as they come.
        parts: row ranges.
        where: file, for messages.
        goes_on: a series goes on in the next part, whose times may begin anew.
        timezone: see :func:`~colonnade.data.sequences.clock.instants`.

    Raises:
        SchemaError: a column is not there.
        DataError: a row without id or time, a time that is neither number nor ISO 8601, or one that a series has twice.
    """
    for key, name in (("id", id), ("time", time)):
        if name is not None and name not in frame.columns:
            # Who has named none is told which would do.
            hint = (likely(frame) or NAME_ONE) if name == SERIES else ""
            raise SchemaError(f"{where}: data.{key}={name} is no column{closest(name, frame.columns)}{hint}")
        if name is not None:
            check_present(frame[name], key, where)
    part = np.zeros(frame.height, dtype=np.int64)
    for i, (start, stop) in enumerate(parts.values(), 1):
        part[start:stop] = i
    keys = frame.select(pl.col(id).alias("id"), pl.Series("part", part), pl.int_range(pl.len()).alias("row"))
    of = ["id"] if goes_on else ["part", "id"]
    keys = keys.with_columns(pl.col("row").min().over(of).alias("first"))
    if time is None:
        return _taken(frame, keys.sort("first", "part", "row")["row"])
    times = instants(frame[time], where, timezone)
    keys = keys.with_columns(times.alias("time"))
    twice = keys.filter(keys.select("first", "part", "time").is_duplicated())
    if twice.height:
        ids = ", ".join(map(str, twice["id"].unique(maintain_order=True).head(_SHOWN)))
        raise DataError(
            f"{where}: {twice.height:,} rows share the series and the time (data.time={time}) with another (series "
            f"{ids}): a series has one row for each time{_repeated_hour(times)}"
        )
    return _taken(frame, keys.sort("first", "part", "time")["row"])


def _repeated_hour(times: pl.Series) -> str:
    """Why a time may stand twice that is one of no zone."""
    if times.dtype != pl.Datetime("us") or (times.dt.truncate("1d") == times).all():
        return ""
    return "; an hour that a clock change repeats is told apart by UTC offsets (2024-10-27T02:00:00+01:00)"


def fold(table: Table, *, id: str) -> Table:
    """A row for each series: features become lists of their steps; of the rest, which is one value in a series, that.
    Of columns that are excluded, those are kept that are so: a split may be by them.

    Args:
        table: typed rows, the steps of a series one after the other, see :func:`in_order`.
        id: names the series of a row.

    Raises:
        DataError: target, weight or group change within a series.
    """
    schema, starts = table.schema, starts_of(table.frame[id], table.parts)
    index = pl.Series(_INDEX, np.cumsum(starts) - 1)
    features = list(schema.features)
    others = [
        name
        for name in table.frame.columns
        if name not in features and not (name in schema.exclude and _changes(table.frame[name], starts))
    ]
    if starts.sum() == 1:
        # It may be very long: groups are copies.
        frame = table.frame.select(pl.col(features).implode(), pl.col(others).first())
        changing = table.frame.select(pl.col(others).n_unique())
    else:
        grouped = table.frame.group_by(index, maintain_order=True)
        frame = grouped.agg(pl.col(features), pl.col(others).first()).drop(_INDEX)
        changing = grouped.agg(pl.col(others).n_unique()).drop(_INDEX)
    for name in others:
        wrong = np.flatnonzero(changing[name].to_numpy() > 1)
        if len(wrong):
            shown = ", ".join(str(frame[id][int(i)]) for i in wrong[:_SHOWN])
            raise DataError(
                f"'{name}' changes within {len(wrong):,} series ({shown}): it is one value for a whole series here; "
                "a target for each step is learned with data=steps"
            )
    before = np.concatenate([[0], np.cumsum(starts)])
    parts = {part: (int(before[start]), int(before[stop])) for part, (start, stop) in table.parts.items()}
    return replace(table, frame=frame, parts=parts, row_ids=None)


def spread(table: Table, *, id: str) -> Table:
    """The rows with a target in all steps of a series, where some have one and others miss it.

    Args:
        table: see :func:`fold`; a target that changes within a series stays as it is.
        id: names the series of a row.
    """
    gaps = [name for name in table.schema.targets if table.frame[name].null_count()]
    if not gaps:
        return table
    series = pl.Series(np.cumsum(starts_of(table.frame[id], table.parts)))
    filled = [pl.col(name).fill_null(pl.col(name).drop_nulls().first().over(series)) for name in gaps]
    return replace(table, frame=table.frame.with_columns(filled))


def _changes(column: pl.Series, starts: np.ndarray) -> bool:
    """Whether a column has several values in a series, whose first steps are given ``(N,)``."""
    if column.dtype.is_nested():
        return True
    return bool((column.ne_missing(column.shift()) & ~pl.Series(starts)).any())


def lists_of(frame: pl.DataFrame) -> list[str]:
    """Columns that hold the steps of series."""
    return [name for name, dtype in frame.schema.items() if dtype == pl.List]


def steps_of(frame: pl.DataFrame, features: Sequence[str]) -> tuple[pl.DataFrame, np.ndarray]:
    """The steps of some series, and where each series begins.

    Args:
        frame: a row for each series.
        features: columns of lists.

    Returns:
        A row for each step, and ``offsets (S + 1,)`` int64.
    """
    lengths = frame[features[0]].list.len().to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    # One by one: exploded together, each would be compared with the others first.
    return pl.DataFrame([frame[name].explode() for name in features]), offsets


def starts_of(ids: pl.Series, parts: Mapping[str, tuple[int, int]]) -> np.ndarray:
    """Which rows begin a series, ``(N,)`` bool.

    Args:
        ids: name of the series of each row, the rows of a series one after the other.
        parts: row ranges beyond which no series goes.
    """
    codes = ids.rle_id().to_numpy()
    starts = np.append(True, codes[1:] != codes[:-1])
    for start, stop in parts.values():
        starts[[row for row in (start, stop) if row < len(starts)]] = True
    return starts


def _taken(frame: pl.DataFrame, order: pl.Series) -> pl.DataFrame:
    """Rows in an order; where they are in it already, the frame itself, since a copy of a long series is large."""
    return frame if order.is_sorted() else frame[order]

"""Covariates: columns that are known of the steps to come, and those that are one value for a series."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, SchemaError, closest
from colonnade.core.schema import Schema
from colonnade.data.sequences.clock import Step, later, spacing

if TYPE_CHECKING:
    # Files are read without torch where an exported model is applied.
    from colonnade.data.pipeline import FittedPipeline

_SHOWN = 5
# No column of a file is called so.
_SERIES = "\x00series"


def check_names(schema: Schema, future: Collection[str], static: Collection[str]) -> None:
    """Refuse names of columns that are not there, or no features.

    Raises:
        SchemaError: naming the key.
    """
    for key, names in (("future", future), ("static", static)):
        for name in names:
            if name not in schema.columns:
                raise SchemaError(f"data.{key}: '{name}' is no column{closest(name, schema.columns)}")
            if name not in schema.features:
                why = schema.exclude.get(name, f"its kind is {schema.columns[name].kind}")
                raise SchemaError(f"data.{key}: '{name}' is no feature ({why})")


def constant(frame: pl.DataFrame, static: Sequence[str], id: str) -> pl.DataFrame:
    """Series whose static columns are one value in all steps, those where it is missing too.

    Args:
        frame: a row for each series.
        static: columns of lists.
        id: names the series.

    Raises:
        DataError: a column has several values in a series; names both.
    """
    for name in static:
        wrong = np.flatnonzero(frame[name].list.drop_nulls().list.n_unique().to_numpy() > 1)
        if len(wrong):
            shown = ", ".join(str(frame[id][int(i)]) for i in wrong[:_SHOWN])
            raise DataError(
                f"'{name}' (data.static) changes within {len(wrong):,} series ({shown}): it is one value for a whole "
                "series; a column that changes is a channel: leave it out of data.static"
            )
        if frame[name].explode().null_count():
            value = pl.element().fill_null(pl.element().drop_nulls().first())
            frame = frame.with_columns(pl.col(name).list.eval(value))
    return frame


def seen(frame: pl.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """Steps of each series up to the last at which a target is there, ``(S,)`` int64; all where none ever is.

    Args:
        frame: a row for each series, targets as lists.
        targets: what is forecast.
    """
    lengths = frame[targets[0]].list.len().cast(pl.Int64).to_numpy()
    ends = np.cumsum(lengths)
    there = np.zeros(ends[-1] if len(ends) else 0, dtype=bool)
    for name in targets:
        there |= frame[name].explode().is_not_null().to_numpy()
    # The last step that is there, up to each step.
    last = np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))[ends - 1] + 1
    begins = ends - lengths
    found: np.ndarray = np.where(last > begins, last - begins, lengths)
    return found


def extended(
    frame: pl.DataFrame, features: Sequence[str], time: str, count: np.ndarray, step: Step | None
) -> pl.DataFrame:
    """Series with the times of the steps behind them, at which everything else is missing.

    Args:
        frame: a row for each series.
        features: columns of lists, the one of the times among them.
        time: that one.
        count: steps that are put in behind each series, ``(S,)`` int64.
        step: time from one to the next; None: what it is most often.

    Raises:
        DataError: no series has two steps, so that nobody knows when the next one is.
    """
    lengths = frame[time].list.len().cast(pl.Int64).to_numpy()
    if step is None:
        starts = np.zeros(lengths.sum(), dtype=bool)
        starts[np.cumsum(lengths) - lengths] = True
        found = spacing(frame[time].explode(), starts, None, "the new data")
        if found is None:
            raise DataError(
                f"no series has two steps, so that the next '{time}' (data.future) is not known: set data.frequency"
            )
        step = found.step
    index = np.repeat(np.arange(len(lengths)), count)
    place = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count) + 1
    times = later(frame[time].list.last().gather(index), place, step)
    of = pl.concat([pl.Series(np.repeat(np.arange(len(lengths)), lengths)), pl.Series(index)])
    columns = {name: frame[name].explode() for name in features}
    new = {
        name: times if name == time else pl.Series([None], dtype=c.dtype).new_from_index(0, len(index))
        for name, c in columns.items()
    }
    both = [pl.concat([columns[name], new[name].cast(columns[name].dtype)]).alias(name) for name in features]
    long = pl.DataFrame([of.alias(_SERIES), *both]).sort(_SERIES, maintain_order=True)
    lists = long.group_by(_SERIES, maintain_order=True).agg(pl.col(features))
    return frame.with_columns(lists[name] for name in features)


def encoded(pipeline: FittedPipeline, raw: Collection[str]) -> tuple[str, ...]:
    """Encoded columns that are made of such raw columns and nothing else, in the order of the encoded columns."""
    sources = {name: {name} for name in pipeline.lookup.names}
    for step in pipeline.module.fitted():
        for feature in step.features():
            sources[feature.name] = set().union(*(sources.get(name, {name}) for name in feature.inputs))
    return tuple(
        name
        for name in (*pipeline.num_names, *pipeline.cat_names)
        if sources.get(name, {name}) and sources.get(name, {name}) <= set(raw)
    )

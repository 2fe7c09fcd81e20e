"""Windowed: the windows of series as rows of a table, to be measured or predicted without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.sequences.fill import carried, complete, known, runs
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.horizon import Borders
from colonnade.data.table import Table

_SHOWN = 5


def ahead(targets: Sequence[str], horizon: int) -> tuple[str, ...]:
    """Names of what is forecast: ``OT+1``, ``OT+2``, ...; of several values, all of a step before the next.

    >>> ahead(["a", "b"], 2)
    ('a+1', 'b+1', 'a+2', 'b+2')
    """
    return tuple(f"{name}+{step}" for step in range(1, horizon + 1) for name in targets)


def tails(
    frame: pl.DataFrame,
    features: Sequence[str],
    context: int,
    *,
    repeat: bool,
    filled: Sequence[str] | None,
    targets: Sequence[str] = (),
) -> pl.DataFrame:
    """The last steps of each series.

    Args:
        frame: a row for each series.
        features: columns of lists.
        context: how many.
        repeat: where a series has fewer, its first step stands before it.
        filled: of these the first value stands before it too, see :func:`~colonnade.data.sequences.fill.carried`; None:
            nothing is filled.
        targets: what is forecast, which must be there.

    Raises:
        DataError: a series is shorter, and nothing is repeated, or a target is missing; the positions are named.
    """
    lengths = frame[features[0]].list.len().cast(pl.Int64).to_numpy()
    short = np.flatnonzero(lengths < context)
    if len(short) and not repeat:
        shown = ", ".join(map(str, short[:_SHOWN].tolist())) + (", ..." if len(short) > _SHOWN else "")
        raise DataError(
            f"{len(short):,} series (from 0: {shown}) have fewer steps than a forecast looks back at: {context} "
            "(data.context); a model that was trained with data.short=repeat has an answer for them"
        )
    steps, offsets = steps_of(frame, features)
    steps = steps if filled is None else carried(steps, offsets, filled)
    past = np.maximum(offsets[1:, None] - context + np.arange(context), offsets[:-1, None])
    for name in targets:
        gone = steps[name].is_null().to_numpy()[past].any(1)
        if gone.any():
            raise DataError(_missing(name, np.flatnonzero(gone), filled=filled is not None))
    return frame.with_columns(_lists(steps, name, past) for name in features)


def windowed(
    table: Table,
    targets: Sequence[str],
    *,
    context: int,
    horizon: int,
    repeat: bool,
    filled: Sequence[str] | None,
    at_most: int | None = None,
) -> Table:
    """A row for each window of each series: its context as lists, what is forecast as numbers. Its id is the step, over
    all series, at which its forecast begins.

    Args:
        table: a row for each series.
        targets: what is forecast.
        context: steps of a list.
        horizon: steps that are forecast; 0: windows are only looked back at.
        repeat: a window may begin before its series, whose first step is repeated then.
        filled: see :func:`tails`; windows that would forecast
            a missing value are left out.
        at_most: so many windows, evenly spread over all; None: all.

    Raises:
        DataError: no series has a whole window; or a target is missing, and not filled.
    """
    features = table.schema.features
    steps, offsets = steps_of(table.frame, features)
    first = offsets[:-1] + (1 if repeat else context)
    counts = np.maximum(0, offsets[1:] - horizon - first + 1)
    of = np.arange(len(counts))
    for name in targets if filled is None else ():
        gone = np.searchsorted(offsets, np.flatnonzero(steps[name].is_null()), side="right") - 1
        if len(gone):
            raise DataError(_missing(name, np.unique(gone), filled=False))
    if filled is not None and targets:
        first, counts, of = runs(complete(known(steps, offsets, targets)[0], horizon), first, counts)
    if not counts.any():
        raise DataError(
            f"no series has the {1 if repeat else context} + {horizon} steps of a window (data.context, data.horizon); "
            f"the longest has {np.diff(offsets).max(initial=0):,}"
        )
    of = np.repeat(of, counts)
    origin = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(of))
    if at_most is not None and at_most < len(of):
        origin = origin[np.linspace(0, len(of) - 1, at_most).astype(np.int64)]
    return windows_at(table, origin, context, filled=filled, targets=targets, horizon=horizon)


def windows_at(
    table: Table,
    origin: np.ndarray,
    context: int,
    *,
    filled: Sequence[str] | None,
    targets: Sequence[str] = (),
    horizon: int = 0,
) -> Table:
    """A row for each window that forecasts from a step on, counted over all series in their order: its row id.

    Args:
        table: a row for each series.
        origin: ``(N,)`` int64; what stands before the first step of its series is that step.
        context: steps of a window.
        filled, targets, horizon: see :func:`windowed`.
    """
    features = table.schema.features
    steps, offsets = steps_of(table.frame, features)
    # A step behind the end of its series is looked back at from there.
    of = np.searchsorted(offsets, origin - 1, side="right") - 1
    past = np.maximum(origin[:, None] - context + np.arange(context), offsets[of][:, None])
    seen = steps if filled is None else carried(steps, offsets, filled)
    columns = [_lists(seen, name, past) for name in features]
    for i, label in enumerate(ahead(targets, horizon)):
        step, value = divmod(i, len(targets))
        columns.append(steps[targets[value]].gather(origin + step).alias(label))
    others = table.frame.select(pl.exclude(features))
    frame = pl.DataFrame([*columns, *(others[name].gather(of) for name in others.columns)])
    return replace(table, frame=frame, row_ids=origin)


def origins(
    table: Table,
    borders: Borders,
    part: str,
    targets: Sequence[str],
    *,
    context: int,
    horizon: int,
    repeat: bool,
) -> np.ndarray:
    """Steps at which the forecasts of a part begin, counted over all series, ``(N,)`` int64; none would forecast a
    missing value.

    Args:
        table: a row for each series.
        borders: of the parts.
        part: train, val or test.
        targets, context, horizon, repeat: see :func:`windowed`.
    """
    steps, offsets = steps_of(table.frame, table.schema.features)
    first, counts = borders.origins(part, context=1 if repeat else context, horizon=horizon)
    stride = 1 if part == "train" else borders.stride
    allowed = complete(known(steps, offsets, targets)[0], horizon)
    first, counts, _ = runs(allowed, offsets[:-1] + first, counts, stride=stride)
    found: np.ndarray = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    return found


def _missing(name: str, series: np.ndarray, *, filled: bool) -> str:
    """In words, that a target is missing in some series: the median, as in other columns, is not their size."""
    shown = ", ".join(map(str, series[:_SHOWN].tolist())) + (", ..." if len(series) > _SHOWN else "")
    which = f"'{name}' (data.target) is missing in {len(series):,} series (from 0: {shown})"
    if filled:
        return f"{which}, at every step: leave them out"
    return f"{which}: mend the data, or train with data.fill=forward, which carries the last value on"


def _lists(steps: pl.DataFrame, name: str, past: np.ndarray) -> pl.Series:
    return steps[name].gather(past.ravel()).reshape(past.shape).arr.to_list().alias(name)

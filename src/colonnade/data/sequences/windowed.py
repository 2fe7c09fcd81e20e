"""Windowed: the windows of series as rows of a table, to be measured or predicted without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.sequences.fold import steps_of
from colonnade.data.table import Table

_SHOWN = 5


def ahead(targets: Sequence[str], horizon: int) -> tuple[str, ...]:
    """Names of what is forecast: ``OT+1``, ``OT+2``, ...; of several values, all of a step before the next.

    >>> ahead(["a", "b"], 2)
    ('a+1', 'b+1', 'a+2', 'b+2')
    """
    return tuple(f"{name}+{step}" for step in range(1, horizon + 1) for name in targets)


def tails(frame: pl.DataFrame, features: Sequence[str], context: int) -> pl.DataFrame:
    """The last steps of each series.

    Args:
        frame: a row for each series.
        features: columns of lists.
        context: how many.

    Raises:
        DataError: a series is shorter; the positions are named.
    """
    short = np.flatnonzero(frame[features[0]].list.len().to_numpy() < context)
    if len(short):
        shown = ", ".join(map(str, short[:_SHOWN].tolist())) + (", ..." if len(short) > _SHOWN else "")
        raise DataError(
            f"{len(short):,} series (from 0: {shown}) have fewer steps than a forecast looks back at: {context} "
            "(data.context)"
        )
    return frame.with_columns(pl.col(name).list.tail(context) for name in features)


def windowed(table: Table, targets: Sequence[str], *, context: int, horizon: int, at_most: int | None = None) -> Table:
    """A row for each window of each series: its context as lists, what is forecast as numbers.

    Args:
        table: a row for each series.
        targets: what is forecast.
        context: steps of a list.
        horizon: steps that are forecast; 0: windows are only looked back at.
        at_most: so many windows, evenly spread over all; None: all.

    Raises:
        DataError: no series has a whole window.
    """
    features = table.schema.features
    steps, offsets = steps_of(table.frame, features)
    counts = np.maximum(0, np.diff(offsets) - context - horizon + 1)
    if not counts.any():
        raise DataError(
            f"no series has the {context} + {horizon} steps of a window (data.context, data.horizon); the longest has "
            f"{np.diff(offsets).max(initial=0):,}"
        )
    of = np.repeat(np.arange(len(counts)), counts)
    begin = offsets[:-1][of] + np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    if at_most is not None and at_most < len(of):
        chosen = np.linspace(0, len(of) - 1, at_most).astype(np.int64)
        of, begin = of[chosen], begin[chosen]
    past = begin[:, None] + np.arange(context)
    columns = {
        name: steps[name].gather(past.ravel()).reshape((len(of), context)).arr.to_list().alias(name)
        for name in features
    }
    for i, label in enumerate(ahead(targets, horizon)):
        step, value = divmod(i, len(targets))
        columns[label] = steps[targets[value]].gather(begin + context + step).alias(label)
    others = table.frame.select(pl.exclude(features))
    return replace(
        table, frame=pl.DataFrame([*columns.values(), *(others[name].gather(of) for name in others.columns)])
    )

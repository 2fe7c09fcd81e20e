"""Windowed: the windows of series as rows of a table, to be measured or predicted without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.sequences.covariates import seen
from colonnade.data.sequences.fill import carried, known, runs, some
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.horizon import Borders
from colonnade.data.table import Table

_SHOWN = 5


@dataclass(frozen=True)
class Look:
    """What windows see of series.

    Args:
        context: steps that are looked back at.
        repeat: a window may begin before its series, whose first step is repeated then.
        filled: what is forecast, where what is looked at is filled, see
            :func:`~colonnade.data.sequences.fill.carried`; None: nothing is.
        known: columns that are known ahead.
        ahead: steps of these that a window has behind its context, where nothing else is there; 0: none.
    """

    context: int
    repeat: bool = False
    filled: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    ahead: int = 0


def ahead(targets: Sequence[str], horizon: int) -> tuple[str, ...]:
    """Names of what is forecast: ``OT+1``, ``OT+2``, ...; of several values, all of a step before the next.

    >>> ahead(["a", "b"], 2)
    ('a+1', 'b+1', 'a+2', 'b+2')
    """
    return tuple(f"{name}+{step}" for step in range(1, horizon + 1) for name in targets)


def tails(
    frame: pl.DataFrame, features: Sequence[str], look: Look, *, targets: Sequence[str] = (), of: Sequence[str] = ()
) -> pl.DataFrame:
    """The window behind which each series is forecast: behind its last step, or, where columns are known ahead, behind
    the last step with a target.

    Args:
        frame: a row for each series.
        features: columns of lists.
        look: what a window sees.
        targets: what is forecast, which must be there.
        of: what each series is called; empty: its position.

    Raises:
        DataError: a series is shorter, and nothing is repeated; a target is missing; or steps ahead are, or values at
            them of columns that are known. Series are named.
    """
    steps, offsets = steps_of(frame, features)
    origin = offsets[1:] if not look.ahead else offsets[:-1] + seen(frame, targets)
    short = np.flatnonzero(origin - offsets[:-1] < look.context)
    if len(short) and not look.repeat:
        raise DataError(
            f"{_series(short, of)} have fewer steps than a forecast looks back at: {look.context} (data.context); a "
            "model that was trained with data.short=repeat has an answer for them"
        )
    filled = steps if look.filled is None else carried(steps, offsets, look.filled)
    past = np.maximum(origin[:, None] - look.context + np.arange(look.context), offsets[:-1, None])
    for name in targets:
        gone = filled[name].is_null().to_numpy()[past].any(1)
        if gone.any():
            raise DataError(_missing(name, np.flatnonzero(gone), of, filled=look.filled is not None))
    _check_ahead(steps, offsets, origin, look, targets, of)
    return frame.with_columns(_lists(filled, features, offsets[:-1], origin, look))


def windowed(table: Table, targets: Sequence[str], *, look: Look, horizon: int, at_most: int | None = None) -> Table:
    """A row for each window of each series: its context as lists, what is forecast as numbers. Its id is the step, over
    all series, at which its forecast begins.

    Args:
        table: a row for each series.
        targets: what is forecast.
        look: what a window sees; where ``filled``, values ahead may be missing, and a window is left out where all are.
        horizon: steps that are forecast; 0: windows are only looked back at.
        at_most: so many windows, evenly spread over all; None: all.

    Raises:
        DataError: no series has a whole window; or a target is missing, and not filled.
    """
    features = table.schema.features
    steps, offsets = steps_of(table.frame, features)
    first = offsets[:-1] + (1 if look.repeat else look.context)
    behind = max(horizon, look.ahead)
    counts = np.maximum(0, offsets[1:] - behind - first + 1)
    of = np.arange(len(counts))
    for name in targets if look.filled is None else ():
        gone = np.searchsorted(offsets, np.flatnonzero(steps[name].is_null()), side="right") - 1
        if len(gone):
            id = table.schema.row_id
            names = table.frame[id].to_list() if id in table.frame.columns else ()
            raise DataError(_missing(name, np.unique(gone), names, filled=False))
    if look.filled is not None and targets:
        first, counts, of = runs(some(known(steps, offsets, targets)[0], horizon), first, counts)
    if not counts.any():
        raise DataError(
            f"no series has the {1 if look.repeat else look.context} + {behind} steps of a window (data.context, "
            f"data.horizon); the longest has {np.diff(offsets).max(initial=0):,}"
        )
    of = np.repeat(of, counts)
    origin = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(of))
    if at_most is not None and at_most < len(of):
        origin = origin[np.linspace(0, len(of) - 1, at_most).astype(np.int64)]
    return windows_at(table, origin, look, targets=targets, horizon=horizon)


def windows_at(table: Table, origin: np.ndarray, look: Look, *, targets: Sequence[str] = (), horizon: int = 0) -> Table:
    """A row for each window that forecasts from a step on, counted over all series in their order: its row id.

    Args:
        table: a row for each series.
        origin: ``(N,)`` int64; what stands before the first step of its series is that step.
        look: what a window sees.
        targets, horizon: see :func:`windowed`.
    """
    features = table.schema.features
    steps, offsets = steps_of(table.frame, features)
    # A step behind the end of its series is looked back at from there.
    of = np.searchsorted(offsets, origin - 1, side="right") - 1
    filled = steps if look.filled is None else carried(steps, offsets, look.filled)
    columns = _lists(filled, features, offsets[of], origin, look)
    came = [steps[name] for name in targets]
    if look.filled is not None and targets:
        came = [column.set(pl.Series(~there), None) for column, there in zip(came, known(steps, offsets, targets)[0].T)]
    for i, label in enumerate(ahead(targets, horizon)):
        step, value = divmod(i, len(targets))
        columns.append(came[value].gather(origin + step).alias(label))
    others = table.frame.select(pl.exclude(features))
    frame = pl.DataFrame([*columns, *(others[name].gather(of) for name in others.columns)])
    return replace(table, frame=frame, row_ids=origin)


def origins(
    table: Table, borders: Borders, part: str, targets: Sequence[str], *, look: Look, horizon: int
) -> np.ndarray:
    """Steps at which the forecasts of a part begin, counted over all series, ``(N,)`` int64; none would forecast
    missing values alone.

    Args:
        table: a row for each series.
        borders: of the parts.
        part: train, val or test.
        targets, look, horizon: see :func:`windowed`.
    """
    steps, offsets = steps_of(table.frame, table.schema.features)
    first, counts = borders.origins(part, context=1 if look.repeat else look.context, horizon=horizon)
    stride = 1 if part == "train" else borders.stride
    allowed = some(known(steps, offsets, targets)[0], horizon)
    first, counts, _ = runs(allowed, offsets[:-1] + first, counts, stride=stride)
    found: np.ndarray = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    return found


def _check_ahead(
    steps: pl.DataFrame,
    offsets: np.ndarray,
    origin: np.ndarray,
    look: Look,
    targets: Sequence[str],
    of: Sequence[str],
) -> None:
    """Refuse series whose known columns are not known."""
    if not look.ahead:
        return
    names, wanted = ", ".join(look.known), "', '".join(targets)
    few = np.flatnonzero(offsets[1:] - origin < look.ahead)
    if len(few):
        there = int((offsets[1:] - origin)[few[0]])
        raise DataError(
            f"{_series(few, of)} have fewer than the {look.ahead} steps ahead of which the model needs {names} "
            f"(data.future): the first has {there} rows behind the last with a value of '{wanted}'; add rows with "
            f"{names}, and '{wanted}' empty"
        )
    index = origin[:, None] + np.arange(look.ahead)
    for name in look.known:
        gone = steps[name].is_null().to_numpy()[index]
        if gone.any():
            rows = np.flatnonzero(gone.any(1))
            first = int(gone[rows[0]].argmax()) + 1
            raise DataError(
                f"'{name}' (data.future) is missing at steps ahead, of which the model needs {look.ahead}, "
                f"{int(gone.sum()):,} times in {_series(rows, of)}: the first at step +{first}"
            )


def _missing(name: str, series: np.ndarray, of: Sequence[str], *, filled: bool) -> str:
    """In words, that a target is missing in some series: the median, as in other columns, is not their size."""
    which = f"'{name}' (data.target) is missing in {_series(series, of)}"
    if filled:
        return f"{which}, at every step: leave them out"
    return f"{which}: mend the data, or train with data.fill=forward, which carries the last value on"


def _series(positions: np.ndarray, of: Sequence[str]) -> str:
    shown = ", ".join(str(of[i]) if of else str(i) for i in positions[:_SHOWN])
    return f"{len(positions):,} series ({'' if of else 'from 0: '}{shown}{', ...' if len(positions) > _SHOWN else ''})"


def _lists(
    steps: pl.DataFrame, features: Sequence[str], begin: np.ndarray, origin: np.ndarray, look: Look
) -> list[pl.Series]:
    """The windows before such steps, as lists; at the steps ahead, columns that are not known are missing."""
    past = origin[:, None] - look.context + np.arange(look.context + look.ahead)
    past = np.maximum(past, begin[:, None])
    everything = pl.Series(past.ravel())
    hidden = np.broadcast_to(np.arange(past.shape[1]) >= look.context, past.shape)
    context = everything.set(pl.Series(hidden.ravel()), None) if look.ahead else everything
    columns = []
    for name in features:
        found = steps[name].gather(everything if name in look.known else context)
        columns.append(found.reshape(past.shape).arr.to_list().alias(name))
    return columns

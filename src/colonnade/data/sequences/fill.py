"""Fill: what stands where a value of a series is missing, and which steps may be forecast then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from colonnade.core.errors import DataError

_SHOWN = 5


def carried(steps: pl.DataFrame, offsets: np.ndarray, targets: Sequence[str]) -> pl.DataFrame:
    """The last value of a column carried on over those that are missing, within each series.

    What stands before the first value of another column stays missing: nothing was known of it then. Of a target it is
    the first value, behind which no window begins that sees it, see :func:`known`.

    Args:
        steps: steps of all series, one series after the other.
        offsets: ``(S + 1,)`` int64, where each series begins.
        targets: what is forecast.
    """
    series = pl.Series(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)))
    gaps = [name for name in steps.columns if steps[name].null_count()]
    on = {name: pl.col(name).forward_fill() for name in gaps}
    return steps.with_columns(
        (filled.backward_fill() if name in targets else filled).over(series) for name, filled in on.items()
    )


def known(steps: pl.DataFrame, offsets: np.ndarray, targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which steps may be forecast, and which come too early to learn from.

    Args:
        steps: see :func:`carried`, as they were read.
        offsets: where each series begins.
        targets: what is forecast.

    Returns:
        ``(N, C)`` bool: the target is there, and was there before, since what stands before a first value is taken from
        it; ``(N,)`` bool: a target has not been there yet.

    Raises:
        DataError: a series has no value of a target at all.
    """
    there = np.ones((len(steps), len(targets)), dtype=bool)
    early = np.zeros(len(steps), dtype=bool)
    for i, name in enumerate(targets):
        of = steps[name].is_not_null().to_numpy()
        if of.all():
            continue
        so_far = np.concatenate([[0], np.cumsum(of)])
        before = so_far[:-1] - np.repeat(so_far[offsets[:-1]], np.diff(offsets))
        never = np.flatnonzero(np.diff(so_far[offsets]) == 0)
        if len(never):
            raise DataError(
                f"'{name}' (data.target) is missing in every step of {len(never):,} series (from 0: "
                f"{', '.join(map(str, never[:_SHOWN]))}): leave them out with data.filter"
            )
        late = ~of[offsets[:-1]]
        first = of & (before == 0) & np.repeat(late, np.diff(offsets))
        there[:, i] = of & ~first
        early |= ~of & (before == 0)
    return there, early


def runs(
    allowed: np.ndarray, first: np.ndarray, count: np.ndarray, *, stride: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranges of origins without those that are not allowed.

    Args:
        allowed: ``(N,)`` bool, for each step whether a forecast may begin there.
        first: first origin of each range, ``(S,)`` int64.
        count: origins of each range, ``(S,)`` int64.
        stride: of each range, only the first origin and every so many behind it.

    Returns:
        First origins and counts of the ranges that are left, and the range that each is a piece of, ``(R,)`` each.
    """
    of = np.repeat(np.arange(len(first)), count)
    origin = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(len(of))
    keep = allowed[origin] & ((origin - first[of]) % stride == 0)
    of, origin = of[keep], origin[keep]
    begins = np.append(True, (np.diff(origin) != 1) | (np.diff(of) != 0))[: len(of)]
    at = np.flatnonzero(begins)
    return origin[at], np.diff(np.append(at, len(of))), of[at]


def some(there: np.ndarray, horizon: int) -> np.ndarray:
    """For each step, whether there is anything to forecast at it and the ``horizon - 1`` behind it, ``(N,)`` bool."""
    present = np.concatenate([[0], np.cumsum(there.any(1))])
    stop = np.minimum(np.arange(len(there)) + horizon, len(there))
    found: np.ndarray = present[stop] > present[:-1]
    return found

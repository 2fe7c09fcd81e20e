"""Arrays: series that are held as arrays in Python, as the table that everything else reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, Faults
from colonnade.data.sources.ts import SERIES


def from_arrays(
    series: Iterable[Any], target: Sequence[Any] | None = None, *, channels: Sequence[str] | None = None
) -> pl.DataFrame:
    """A row for each step, as ``data=sequences`` takes it from Python.

    Args:
        series: arrays ``(T, C)``, or ``(T,)`` of one channel, of any lengths; an array ``(B, T, C)`` is a list of such.
            NaN is a missing value.
        target: one for each series; None: there is none, as where series are only predicted.
        channels: their names; None: ``dim_0``, ``dim_1``, ...

    Returns:
        ``series`` (0, 1, ...), the channels, and ``target``.

    Raises:
        DataError: with every series that has no steps, another number of channels, or more than two dimensions; or
            there are not as many targets.

    >>> from_arrays([[1.0, 2.0], [3.0]], ["a", "b"]).rows()
    [(0, 1.0, 'a'), (0, 2.0, 'a'), (1, 3.0, 'b')]
    """
    arrays = [np.asarray(one) for one in series]
    arrays = [one[:, None] if one.ndim == 1 else one for one in arrays]
    if not arrays:
        raise DataError("from_arrays: there is no series")
    if target is not None and len(target) != len(arrays):
        raise DataError(f"from_arrays: {len(target):,} targets of {len(arrays):,} series")
    width = len(channels) if channels is not None else arrays[0].shape[-1]
    faults = Faults()
    for i, one in enumerate(arrays):
        if one.ndim != 2 or one.shape[1] != width:
            faults.add(f"series {i} (from 0): shape {one.shape}, and (steps, {width} channels) is expected")
        elif not len(one):
            faults.add(f"series {i} (from 0): no steps: a sequence has at least one")
    faults.raise_if_any(DataError, "from_arrays")
    names = channels if channels is not None else [f"dim_{i}" for i in range(width)]
    of = pl.Series(np.repeat(np.arange(len(arrays)), [len(one) for one in arrays]))
    steps = np.concatenate(arrays)
    columns = {SERIES: of}
    columns |= {name: pl.Series(values, nan_to_null=True) for name, values in zip(names, steps.T, strict=True)}
    return pl.DataFrame(columns if target is None else columns | {"target": pl.Series(list(target)).gather(of)})

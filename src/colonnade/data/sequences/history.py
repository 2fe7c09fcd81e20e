"""History: what a step looks back at, the steps of its series up to itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from colonnade.data.sequences.fold import starts_of
from colonnade.data.table import Table


def spans_of(ids: pl.Series, parts: Mapping[str, tuple[int, int]], context: int) -> np.ndarray:
    """The steps that each step looks back at, itself the last, ``(N, 2)`` int64: the first, and the one behind.

    Args:
        ids, parts: see :func:`~colonnade.data.sequences.fold.starts_of`.
        context: steps at the most; a series has fewer at its beginning.

    >>> spans_of(pl.Series(["a", "a", "a", "b"]), {}, 2).tolist()
    [[0, 1], [0, 2], [1, 3], [3, 4]]
    """
    row = np.arange(len(ids))
    begins = np.maximum.accumulate(np.where(starts_of(ids, parts), row, 0))
    return np.stack([np.maximum(begins, row - context + 1), row + 1], axis=1)


def histories(table: Table, ids: pl.Series, features: Sequence[str], context: int) -> Table:
    """Features as lists of what each step looks back at; the rest as it is.

    Args:
        table: a row for each step.
        ids, context: see :func:`spans_of`.
        features: columns.
    """
    spans = spans_of(ids, table.parts, context)
    lengths = spans[:, 1] - spans[:, 0]
    of = np.repeat(np.arange(len(spans)), lengths)
    steps = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + spans[of, 0]
    rows = table.frame.select(features)[steps].with_columns(pl.Series(_ROW, of))
    lists = rows.group_by(_ROW, maintain_order=True).agg(pl.all()).drop(_ROW)
    return replace(table, frame=table.frame.with_columns(lists))


# No column of a file is called so.
_ROW = "\x00row"

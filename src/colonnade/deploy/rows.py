"""Rows: what a graph and a model are compared on, and how typed rows are given to a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from colonnade.data.lookup import Lookup

MISSING, UNSEEN = "the row of missing values", "the row of unseen categories"
FIRST, HALF = "the first step of a series", "the first half of a series"


def columns_of(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Columns as :class:`~colonnade.deploy.runtime.OnnxModel` takes them; of series, whose columns are lists, an array
    for each.

    Args:
        frame: typed rows.
        names: of the columns.
    """
    columns: dict[str, Any] = {}
    for name in names:
        column = frame[name]
        is_list = column.dtype == pl.List
        columns[name] = [steps.to_numpy() for steps in column] if is_list else column.to_numpy()
    return columns


def with_strange(frame: pl.DataFrame, lookup: Lookup, *, free: bool) -> tuple[pl.DataFrame, list[str]]:
    """Rows that real data may lack, and behind them the rows.

    A row in which everything is missing, and one of categories that nobody has seen; of series that may have any
    length, the first step of one alone, and its first half.

    Args:
        frame: typed rows, one at least.
        lookup: its columns.
        free: whether rows are series of any length.

    Returns:
        All rows, and what those that were added are called.
    """
    text = [category.name for category in lookup.cat if not category.boolean]
    lists = any(dtype == pl.List for dtype in frame.schema.values())
    if not lists:
        first = frame.head(1)
    else:
        longest = int(frame[frame.columns[0]].list.len().arg_max() or 0)
        first = frame[longest].explode(frame.columns)
    added = {
        MISSING: first.select(pl.lit(None, dtype=dtype).alias(name) for name, dtype in first.schema.items()),
        UNSEEN: first.with_columns(pl.lit("a text that nobody has written before").alias(name) for name in text),
    }
    if lists:
        # The literals of a missing row are one row.
        added[MISSING] = pl.concat([added[MISSING]] * first.height)
    if free:
        added |= {FIRST: first.head(1), HALF: first.head((first.height + 1) // 2)}
    strange = [part.select(pl.all().implode()) if lists else part for part in added.values()]
    return pl.concat([*strange, frame]), list(added)


def longest(frame: pl.DataFrame) -> int:
    """Steps of the longest series, all of whose columns are lists."""
    return int(frame[frame.columns[0]].list.len().to_numpy().max(initial=0))


def spread(n: int, at_most: int) -> np.ndarray:
    """Positions of at most so many of ``n`` rows, evenly spread."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(at_most, n)).astype(int))

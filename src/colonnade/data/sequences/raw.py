"""Raw: series as a predictor takes them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from colonnade.data.columns import RawColumns
from colonnade.data.lookup import Lookup
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.store import padded


def raw_series(lookup: Lookup, frame: pl.DataFrame, features: Sequence[str]) -> RawColumns:
    """Series side by side, padded to the longest.

    Args:
        lookup: of the steps.
        frame: a row for each series.
        features: columns of lists.
    """
    steps, offsets = steps_of(frame, features)
    rows, offset = lookup(steps), torch.from_numpy(offsets)
    index, mask = padded(offset[:-1], offset.diff())

    def series(values: Tensor) -> Tensor:
        # Padding repeats a step, so that it is a value like any other; what it becomes is masked.
        return values.index_select(0, index.flatten()).unflatten(0, index.shape)

    return RawColumns(num=series(rows.num), cat=series(rows.cat), time=series(rows.time), mask=mask)

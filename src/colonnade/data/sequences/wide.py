"""Wide: a series on each row, its values side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from colonnade.core.errors import DataError


def from_wide(frame: pl.DataFrame, *, channels: Sequence[str], others: Collection[str], id: str) -> pl.DataFrame:
    """A row for each step.

    Args:
        frame: a row for each series. Its values stand in their order, of each step all channels.
        channels: names of the channels.
        others: columns that hold no values, such as the target.
        id: column that names the series; where it is missing, they are numbered from 0.

    Raises:
        DataError: the columns cannot be shared by the channels, or one of them holds text among numbers.
    """
    if id not in frame.columns:
        frame = frame.with_row_index(id)
    rest = [name for name in frame.columns if name in others or name == id]
    values = [name for name in frame.columns if name not in rest]
    if not values or len(values) % len(channels):
        raise DataError(
            f"{len(values)} columns of values do not hold whole steps of {len(channels)} channels (data.channels): "
            "name what is no value in data.exclude"
        )
    for i, name in enumerate(channels):
        _check_alike(frame.select(values[i :: len(channels)]), name)
    lists = [pl.concat_list(values[i :: len(channels)]).alias(name) for i, name in enumerate(channels)]
    return frame.select(*rest, *lists).explode(list(channels))


def _check_alike(steps: pl.DataFrame, channel: str) -> None:
    """Refuse a column of words among the steps of a channel that are numbers: it would make words of all."""
    if not any(column.dtype.is_numeric() for column in steps):
        return
    for column in steps.select(pl.col(pl.String)):
        if column.count() and not column.cast(pl.Float64, strict=False).count():
            raise DataError(
                f"column '{column.name}' holds '{column.drop_nulls()[0]}', and other columns of the channel "
                f"'{channel}' (data.channels) numbers: it is no step of it; name it in data.exclude"
            )

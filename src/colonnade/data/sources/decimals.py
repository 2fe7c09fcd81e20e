"""Decimals: numbers with a decimal comma, ``1.100,50``: found where nobody declared them, and written with a point."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.doubts import quoted
from colonnade.data.sources.written import Written

GROUPED = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"
"""A number with dots between its thousands; polars reads ``1.100`` as 1.1 even where it was told of the comma."""
_NUMBER = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$"
_COMMA_NUMBER = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"
_HEAD, _SAMPLE = 100, 1_000


def check_comma(frame: pl.DataFrame, path: Path, written: Written, kept: Container[str]) -> None:
    """Refuse a column of numbers of which some have a decimal comma.

    Args:
        frame: as parsed.
        path, written: of the file, for messages.
        kept: columns to keep as written.
    """
    for column in frame:
        if column.dtype != pl.String or column.name in kept:
            continue
        head = column.drop_nulls().head(_HEAD)
        if not (len(head) and head.str.contains(r"^[+-]?[\d.]+(,\d+)?$").all()):
            continue
        rows = column.str.contains(",", literal=True).arg_true()
        values = column.gather(rows)
        decimal = ~values.str.contains(_THOUSANDS)
        if decimal.any() and values.str.contains(_COMMA_NUMBER).all():
            row = int(rows[int(decimal.arg_max() or 0)])
            line, _ = written.places([row], column.name)[0]
            raise DataError(
                f"{path}: column '{column.name}' holds numbers with a decimal comma (such as {column[row]!r}, from "
                f"line {line} on): data.decimal=comma, or data.columns.{quoted(column.name)}=categorical if they are "
                "none"
            )


def with_points(frame: pl.DataFrame, kept: Container[str]) -> pl.DataFrame:
    """Where most of a text column are numbers that polars left as text, because of dots or of other values among them,
    ``1.100,50`` becomes ``1100.50``; all else stays.

    Args:
        frame: as parsed.
        kept: columns to keep as written.
    """
    changed = []
    for column in frame:
        if column.dtype != pl.String or column.name in kept:
            continue
        head = column.drop_nulls().head(_SAMPLE)
        if head.str.contains(_NUMBER).sum() > 0.5 * len(head):
            cell = pl.col(column.name)
            point = cell.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
            changed.append(pl.when(cell.str.contains(_NUMBER)).then(point).otherwise(cell).alias(column.name))
    return frame.with_columns(changed)

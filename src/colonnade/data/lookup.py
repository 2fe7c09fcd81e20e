"""Lookup: a typed frame becomes tensors. The one part of the pipeline outside torch, because only it sees strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.schema import Kind, Schema
from colonnade.data.columns import FIRST_LEVEL, MISSING, MISSING_TIME, UNKNOWN, Layout, RawColumns

BOOLEAN_LEVELS = ("false", "true")


@dataclass(frozen=True)
class Category:
    """A column of categories.

    Args:
        name: of the column.
        boolean: whether the frame holds it as Boolean.
        levels: text of codes 2.. .
    """

    name: str
    boolean: bool
    levels: tuple[str, ...]


class Lookup:
    """Strings to codes, numbers to float64, datetimes to microseconds.

    Args:
        num: numeric columns.
        cat: categories with their levels.
        time: datetime columns.
    """

    def __init__(self, *, num: Sequence[str], cat: Sequence[Category], time: Sequence[str]) -> None:
        self.num = tuple(num)
        self.cat = tuple(cat)
        self.time = tuple(time)
        self._numbers = [pl.col(name).cast(pl.Float64) for name in self.num]
        self._codes = [_codes(category) for category in self.cat]
        self._times = [_microseconds(name) for name in self.time]

    @classmethod
    def fit(cls, frame: pl.DataFrame, schema: Schema, rows: np.ndarray) -> Lookup:
        """Learn the levels of each category.

        Args:
            frame: typed table.
            schema: its columns; the features among them are looked up.
            rows: positions of the train rows; no other row is looked at.

        Returns:
            Levels are those declared in the schema, else the distinct train values in sorted order.
        """
        columns = [schema.columns[name] for name in schema.features]
        learned = [c.name for c in columns if c.kind.is_category and c.kind is not Kind.BOOLEAN and c.levels is None]
        # A mask keeps polars from copying more than one column per thread, whatever the order of the rows.
        mask = np.zeros(frame.height, dtype=bool)
        mask[rows] = True
        kept = pl.Series(mask)
        found = frame.select(
            pl.col(name).cast(pl.String).filter(kept).unique().drop_nulls().sort().implode() for name in learned
        )
        levels = {name: tuple(found[name].item().to_list()) for name in learned}
        categories = [
            Category(c.name, True, BOOLEAN_LEVELS)
            if c.kind is Kind.BOOLEAN
            else Category(c.name, False, levels[c.name] if c.levels is None else tuple(c.levels))
            for c in columns
            if c.kind.is_category
        ]
        return cls(
            num=[c.name for c in columns if c.kind.is_number],
            cat=categories,
            time=[c.name for c in columns if c.kind is Kind.DATETIME],
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that are looked up; a frame may hold more."""
        return (*self.num, *(category.name for category in self.cat), *self.time)

    @property
    def layout(self) -> Layout:
        """Names of the raw columns."""
        return Layout(
            num=self.num,
            cat=tuple(category.name for category in self.cat),
            levels=tuple(category.levels for category in self.cat),
            time=self.time,
        )

    def __call__(self, frame: pl.DataFrame) -> RawColumns:
        """Look up every row of a frame; its columns are found by name.

        The tensors are views of columns-first memory.
        """
        return RawColumns(
            num=_tensor(frame, self._numbers, torch.float64),
            cat=self.codes(frame),
            time=_tensor(frame, self._times, torch.int64),
        )

    def codes(self, frame: pl.DataFrame) -> Tensor:
        """Category codes alone, ``(N, K)`` int64."""
        return _tensor(frame, self._codes, torch.int64)

    def unknown_counts(self, frame: pl.DataFrame) -> dict[str, int]:
        """Rows whose level was not seen in training, for each category that has such rows."""
        if not self.cat:
            return {}
        counts = frame.select((codes == UNKNOWN).sum() for codes in self._codes).row(0)
        return {category.name: int(count) for category, count in zip(self.cat, counts, strict=True) if count}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` restores an equal lookup."""
        return {"num": list(self.num), "cat": [asdict(category) for category in self.cat], "time": list(self.time)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Lookup:
        """Restore a lookup from :meth:`to_dict`."""
        cat = [Category(c["name"], c["boolean"], tuple(c["levels"])) for c in data["cat"]]
        return cls(num=data["num"], cat=cat, time=data["time"])


def _codes(category: Category) -> pl.Expr:
    column = pl.col(category.name)
    if category.boolean:
        known = column.cast(pl.Boolean).cast(pl.Int64)
    else:
        # The physical code of an Enum is the position of the level; a value outside it becomes null.
        known = column.cast(pl.String).cast(pl.Enum(category.levels), strict=False).to_physical().cast(pl.Int64)
    code = pl.when(column.is_null()).then(MISSING).otherwise((known + FIRST_LEVEL).fill_null(UNKNOWN))
    return code.alias(category.name)


def _microseconds(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("us")).to_physical().fill_null(MISSING_TIME)


def _tensor(frame: pl.DataFrame, columns: Sequence[pl.Expr], dtype: torch.dtype) -> Tensor:
    if not columns:
        return torch.empty((0, frame.height), dtype=dtype).T
    return torch.from_numpy(frame.select(columns).to_numpy(order="fortran", writable=True)).to(dtype)

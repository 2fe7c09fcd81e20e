"""Lookup: a typed frame becomes tensors. The one part of the pipeline outside torch, because only it sees strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.blocks import take
from colonnade.data.columns import FIRST_LEVEL, MISSING, MISSING_TIME, UNKNOWN, Layout, RawColumns
from colonnade.data.texts import TextColumn

BOOLEAN_LEVELS = ("false", "true")
_COUNT = "number of rows"


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
    """Strings to codes or vectors, numbers to float64, datetimes to microseconds.

    Args:
        num: numeric columns.
        cat: categories with their levels.
        time: datetime columns.
        texts: columns that become vectors, whose numbers stand behind those of ``num``.
    """

    def __init__(
        self, *, num: Sequence[str], cat: Sequence[Category], time: Sequence[str], texts: Sequence[TextColumn] = ()
    ) -> None:
        self.num = tuple(num)
        self.cat = tuple(cat)
        self.time = tuple(time)
        self.texts = tuple(texts)
        self._numbers = [pl.col(name).cast(pl.Float64) for name in self.num]
        self._codes = [_codes(category) for category in self.cat]
        self._times = [_microseconds(name) for name in self.time]

    @classmethod
    def fit(
        cls, frame: pl.DataFrame, schema: Schema, rows: np.ndarray, texts: Sequence[TextColumn] = ()
    ) -> tuple[Lookup, Layout]:
        """Learn the levels of each category.

        Args:
            frame: typed table.
            schema: its columns; the features among them are looked up.
            rows: positions of the train rows; no other row is looked at.
            texts: columns that become vectors instead of codes.

        Returns:
            The lookup, whose levels are those declared in the schema, else the distinct train values in sorted order;
            and the layout of the raw columns.
        """
        columns = [schema.columns[name] for name in schema.features]
        # A mask keeps polars from copying more than one column per thread, whatever the order of the rows.
        mask = np.zeros(frame.height, dtype=bool)
        mask[rows] = True
        kept = pl.Series(mask)
        embedded = {text.name for text in texts}
        categories = [c for c in columns if c.kind.is_category and c.name not in embedded]
        found = frame.select(
            pl.col(c.name).cast(pl.String).filter(kept).value_counts(name=_COUNT).implode() for c in categories
        )
        learned = [_learn(c, found[c.name].item()) for c in categories]
        lookup = cls(
            num=[c.name for c in columns if c.kind.is_number],
            cat=[category for category, _ in learned],
            time=[c.name for c in columns if c.kind is Kind.DATETIME],
            texts=texts,
        )
        layout = Layout(
            num=lookup.num_names,
            cat=tuple(category.name for category in lookup.cat),
            levels=tuple(category.levels for category in lookup.cat),
            counts=tuple(counts for _, counts in learned),
            time=lookup.time,
        )
        return lookup, layout

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that are looked up; a frame may hold more."""
        texts, categories = (text.name for text in self.texts), (category.name for category in self.cat)
        # To several models together, a column may be text in more than one way.
        return tuple(dict.fromkeys((*self.num, *texts, *categories, *self.time)))

    @property
    def num_names(self) -> tuple[str, ...]:
        """Of the numbers that are given, those of vectors included."""
        return (*self.num, *(name for text in self.texts for name in text.names))

    def __call__(self, frame: pl.DataFrame) -> RawColumns:
        """Look up every row of a frame; its columns are found by name.

        The tensors are views of columns-first memory.
        """
        return self.code(frame).take(None, 0, frame.height)

    def code(self, frame: pl.DataFrame) -> CodedRows:
        """Look up every row of a frame, to take the tensors of some rows after the other."""
        num, cat, time = (frame.select(columns) for columns in (self._numbers, self._codes, self._times))
        texts = [text.code(frame) for text in self.texts]
        # Two encoders may read one column.
        text = pl.DataFrame({str(i): place for i, (place, _) in enumerate(texts)})
        return CodedRows(num, cat, time, text, [vectors for _, vectors in texts])

    def codes(self, frame: pl.DataFrame) -> Tensor:
        """Of the categories alone, ``(rows, K)`` int64."""
        block = frame.select(self._codes)
        return CodedRows(pl.DataFrame(), block, pl.DataFrame(), pl.DataFrame(), []).take(None, 0, frame.height).cat

    def unknown_counts(self, frame: pl.DataFrame) -> dict[str, int]:
        """Rows whose level was not seen in training, for each category that has such rows."""
        if not self.cat:
            return {}
        counts = frame.select((codes == UNKNOWN).sum() for codes in self._codes).row(0)
        return {category.name: int(count) for category, count in zip(self.cat, counts, strict=True) if count}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` restores an equal lookup."""
        return {
            "num": list(self.num),
            "cat": [asdict(category) for category in self.cat],
            "time": list(self.time),
            "texts": [text.to_dict() for text in self.texts],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Lookup:
        """Restore a lookup from :meth:`to_dict`."""
        cat = [Category(c["name"], c["boolean"], tuple(c["levels"])) for c in data["cat"]]
        # Earlier versions embedded nothing.
        texts = [TextColumn.from_dict(text) for text in data.get("texts", [])]
        return cls(num=data["num"], cat=cat, time=data["time"], texts=texts)


@dataclass(frozen=True)
class CodedRows:
    """Rows whose strings are codes already: some are quickly taken.

    Args:
        num: Float64 columns.
        cat: Int32 columns without nulls.
        time: Int64 columns without nulls.
        text: Int32 columns without nulls, positions among the vectors.
        vectors: of each column of text, ``(texts, width)`` float32.
    """

    num: pl.DataFrame
    cat: pl.DataFrame
    time: pl.DataFrame
    text: pl.DataFrame
    vectors: Sequence[np.ndarray]

    def __len__(self) -> int:
        return max(block.height for block in (self.num, self.cat, self.time, self.text))

    def take(self, rows: np.ndarray | None, start: int, stop: int) -> RawColumns:
        """Rows ``start:stop``, or those at the positions ``rows[start:stop]``.

        The tensors are views of columns-first memory.
        """
        n = min(stop, len(self) if rows is None else len(rows)) - start

        def tensor(block: pl.DataFrame, dtype: torch.dtype) -> Tensor:
            if block.width == 0:
                return torch.empty((0, n), dtype=dtype).T
            return torch.from_numpy(take(block, rows, start, stop).to_numpy(order="fortran", writable=True)).to(dtype)

        num = tensor(self.num, torch.float64)
        if self.vectors:
            places = tensor(self.text, torch.int64).T
            found = [torch.from_numpy(v)[place].T for v, place in zip(self.vectors, places, strict=True)]
            num = torch.cat([num.T, *found]).T
        return RawColumns(num=num, cat=tensor(self.cat, torch.int64), time=tensor(self.time, torch.int64))


def _learn(column: Column, found: pl.Series) -> tuple[Category, Tensor]:
    """A category, and the train rows of each of its codes; ``found`` holds value and count of each distinct value."""
    table = found.struct.unnest()
    missing = table.filter(pl.col(column.name).is_null())[_COUNT].sum()
    table = table.drop_nulls().sort(column.name)
    boolean = column.kind is Kind.BOOLEAN
    levels = BOOLEAN_LEVELS if boolean else column.levels
    if levels is None:
        levels, counts, unknown = tuple(table[column.name].to_list()), table[_COUNT].to_list(), 0
    else:
        # Values outside the declared ones.
        count = dict(table.iter_rows())
        counts = [count.pop(level, 0) for level in levels]
        unknown = sum(count.values())
    return Category(column.name, boolean, tuple(levels)), torch.tensor([missing, unknown, *counts], dtype=torch.int64)


def _codes(category: Category) -> pl.Expr:
    column = pl.col(category.name)
    if category.boolean:
        known = column.cast(pl.Boolean).cast(pl.Int32)
    else:
        # The physical code of an Enum is the position of the level; a value outside it becomes null.
        known = column.cast(pl.String).cast(pl.Enum(category.levels), strict=False).to_physical().cast(pl.Int32)
    code = pl.when(column.is_null()).then(MISSING).otherwise((known + FIRST_LEVEL).fill_null(UNKNOWN))
    return code.cast(pl.Int32).alias(category.name)


def _microseconds(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("us")).to_physical().fill_null(MISSING_TIME)

"""Codes: tables over several categories at once, laid end to end in one flat table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout
from colonnade.data.steps.base import Feature, FittedStep


def offsets(cardinalities: Sequence[int]) -> Tensor:
    """Where each category begins in the flat table, ``(K, 1)`` int64.

    >>> offsets([3, 4, 2]).tolist()
    [[0], [3], [7]]
    """
    sizes = torch.tensor([0, *cardinalities], dtype=torch.int64)
    return sizes.cumsum(0)[:-1, None]


def with_numbers(layout: Layout, added: Sequence[str], rest: Sequence[int]) -> Layout:
    """The layout with measured columns added, and of the categories those at ``rest``."""
    return replace(layout.with_categories(rest), num=(*layout.num, *added))


class FromTable(FittedStep):
    """Measured columns looked up by the codes of categories.

    Args:
        names: categories it looks at.
        added: columns it adds.
        source, rest: positions of the categories it looks at, and of those that stay, int64.
        table: ``(T, outputs)`` float64, values of each code, category after category.
        offset: ``(K', 1)`` int64, where each category begins in the table.
    """

    source: Tensor
    rest: Tensor
    table: Tensor
    offset: Tensor

    def __init__(
        self,
        *,
        names: Sequence[str],
        added: Sequence[str],
        source: Tensor,
        rest: Tensor,
        table: Tensor,
        offset: Tensor,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.added = tuple(added)
        self.register_buffer("source", source)
        self.register_buffer("rest", rest)
        self.register_buffer("table", table)
        self.register_buffer("offset", offset)

    def forward(self, columns: Columns) -> Columns:
        """Append the values."""
        return self.append(columns, self.table, 0)

    def append(self, columns: Columns, table: Tensor, start: Tensor | int) -> Columns:
        """Append values of a table of several parts, of which each row uses the one that begins at ``start``."""
        place = columns.cat.index_select(0, self.source) + self.offset + start
        # (K', N, outputs) -> (K' * outputs, N)
        found = table[place].transpose(1, 2).flatten(0, 1)
        return columns._replace(num=torch.cat([columns.num, found]), cat=self.recode(columns.cat))

    def recode(self, cat: Tensor) -> Tensor:
        """Leave out categories that are not kept."""
        return cat.index_select(0, self.rest)

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names, "added": self.added}

    def features(self) -> list[Feature]:
        """In words, and the values of the codes."""
        tables = torch.tensor_split(self.table, self.offset[1:, 0].cpu())
        columns = [(name, values) for name, table in zip(self.names, tables, strict=True) for values in table.T]
        return [
            Feature(new, self.formula(name, new), (name,), {"by code": values})
            for new, (name, values) in zip(self.added, columns, strict=True)
        ]

    @abstractmethod
    def formula(self, name: str, new: str) -> str:
        """What is looked up for a category, in the column that is added."""

"""Rare: levels with little to learn from share the code of unknown ones, which thereby gets trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import FIRST_LEVEL, MISSING, UNKNOWN, Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step
from colonnade.data.steps.codes import offsets


class Rare(Step):
    """Merge rare levels into the unknown slot.

    A level met for the first time at prediction is then treated as the rare ones were in training.

    Args:
        min_count: train rows that a level needs to keep its own code.
        max_levels: levels that keep their own code at most, the most frequent ones; None: no limit.

    Raises:
        ValueError: ``min_count`` or ``max_levels`` below 1.
    """

    def __init__(self, *, min_count: int = 3, max_levels: int | None = None) -> None:
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {min_count!r}")
        if max_levels is not None and max_levels < 1:
            raise ValueError(f"max_levels must be at least 1, got {max_levels!r}")
        self.min_count = min_count
        self.max_levels = max_levels

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Count the levels of each category. See :meth:`Step.fit`."""
        log, tables, levels, counts = [], [], [], []
        for name, old, count in zip(layout.cat, layout.levels, layout.counts, strict=True):
            kept = self._kept(count[FIRST_LEVEL:])
            table = torch.full((len(count),), UNKNOWN, dtype=torch.int64)
            table[MISSING] = MISSING
            table[kept + FIRST_LEVEL] = torch.arange(len(kept)) + FIRST_LEVEL
            tables.append(table)
            levels.append(tuple(old[i] for i in kept.tolist()))
            counts.append(torch.zeros(len(kept) + FIRST_LEVEL, dtype=torch.int64).index_add_(0, table, count))
            if len(kept) < len(old):
                merged = len(old) - len(kept)
                log.append(f"column '{name}': {merged:,} of {len(old):,} levels are rare and share the unknown code")
        if not log:
            return Fitted(None, layout)
        module = Regrouped(names=layout.cat, table=torch.cat(tables), offset=offsets(layout.cardinalities))
        return Fitted(module, replace(layout, levels=tuple(levels), counts=tuple(counts)), log)

    def _kept(self, count: Tensor) -> Tensor:
        """Positions of the levels that stay, ascending."""
        frequent = (count >= self.min_count).nonzero()[:, 0]
        if self.max_levels is None or len(frequent) <= self.max_levels:
            return frequent
        order = count[frequent].argsort(descending=True, stable=True)
        return frequent[order[: self.max_levels]].sort().values


class Regrouped(FittedStep):
    """Fitted :class:`Rare`.

    Args:
        names: categories.
        table: new code of each old code, category after category, int64.
        offset: ``(K, 1)`` int64, where each category begins in the table.
    """

    table: Tensor
    offset: Tensor

    def __init__(self, *, names: Sequence[str], table: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("table", table)
        self.register_buffer("offset", offset)

    def forward(self, columns: Columns) -> Columns:
        """Replace the codes."""
        return columns._replace(cat=self.recode(columns.cat))

    def recode(self, cat: Tensor) -> Tensor:
        """Replace the codes."""
        return self.table[cat + self.offset]

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names}

    def features(self) -> list[Feature]:
        """In words."""
        return [Feature(name, f"{name}, rare levels as unknown", (name,)) for name in self.names]

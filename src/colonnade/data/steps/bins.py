"""Bins: a number as 0/1 columns, one for each range of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, others, positions
from colonnade.data.steps.scores import target_scores
from colonnade.data.steps.statistics import quantiles

# Train rows that a tree looks at.
_TREE_ROWS = 50_000


class Bins(Step):
    """Add a 0/1 column ``<name>=[low, high)`` for each bin of a number; a missing number is in none.

    With it a linear model learns steps of any form. ``quantile`` puts as many train rows into each bin; ``tree`` takes
    the thresholds of a regression tree on the target (Gorishniy et al., "On embeddings for numerical features in
    tabular deep learning", 2022, section 3.2): only where the bins begin depends on the targets. Comes before the step
    that fills missing values.

    Args:
        columns: which numbers; None: all.
        strategy: ``"quantile"`` or ``"tree"``.
        n_bins: bins of a number at most; a number with fewer distinct values has a bin for each.
        min_rows: train rows that a leaf of the tree holds at least.
        keep: keep the number too.

    Raises:
        ValueError: an unknown strategy, fewer than 2 bins, or ``min_rows`` below 1.
    """

    def __init__(
        self,
        *,
        columns: Sequence[str] | None = None,
        strategy: Literal["quantile", "tree"] = "quantile",
        n_bins: int = 8,
        min_rows: int = 20,
        keep: bool = True,
    ) -> None:
        if strategy not in ("quantile", "tree"):
            raise ValueError(f"strategy must be quantile or tree, got {strategy!r}")
        if n_bins < 2:
            raise ValueError(f"n_bins must be at least 2, got {n_bins!r}")
        if min_rows < 1:
            raise ValueError(f"min_rows must be at least 1, got {min_rows!r}")
        self.columns = columns
        self.strategy = strategy
        self.uses_target = strategy == "tree"
        self.n_bins = n_bins
        self.min_rows = min_rows
        self.keep = keep

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Find the edges of each number. See :meth:`Step.fit`."""
        chosen = positions(layout.num, self.columns, "Bins")
        num = train.columns.num[chosen]
        if self.strategy == "quantile":
            edges = self._quantiles(num)
        else:
            target = target_scores(train.target)[train.rows]
            edges = [self._tree(column, target, generator) for column in num]
        cut = [(i, values) for i, values in zip(chosen, edges, strict=True) if len(values)]
        if not cut:
            return Fitted(None, layout)
        low, high, source, names = [], [], [], []
        for i, values in cut:
            bounds = [-np.inf, *values, np.inf]
            low += bounds[:-1]
            high += bounds[1:]
            source += [i] * (len(values) + 1)
            names += [f"{layout.num[i]}={_range(a, b)}" for a, b in pairwise(bounds)]
        flags = layout.fresh(names)
        count = len(layout.num)
        rest = list(range(count)) if self.keep else others(count, [i for i, _ in cut])
        module = Binned(
            flags=flags,
            sources=[layout.num[i] for i in source],
            source=index_of(source),
            rest=index_of(rest),
            low=torch.tensor(low, dtype=torch.float64)[:, None],
            high=torch.tensor(high, dtype=torch.float64)[:, None],
        )
        return Fitted(module, replace(layout, num=tuple(layout.num[i] for i in rest), flag=layout.flag + flags))

    def _quantiles(self, num: Tensor) -> list[list[float]]:
        inner = torch.linspace(0, 1, self.n_bins + 1, dtype=torch.float64)[1:-1]
        edges = []
        for values, column in zip(quantiles(num, inner), num, strict=True):
            distinct = column[column.isfinite()].unique()
            if 1 < len(distinct) <= self.n_bins:
                edges.append(distinct[1:].tolist())
            else:
                # What lies below the least value would be empty.
                edges.append([edge for edge in values.unique().tolist() if len(distinct) and edge > distinct[0]])
        return edges

    def _tree(self, column: Tensor, target: Tensor, generator: torch.Generator) -> list[float]:
        from sklearn.tree import DecisionTreeRegressor

        rows = column.isfinite().nonzero()[:, 0]
        if len(rows) > _TREE_ROWS:
            rows = rows[torch.randperm(len(rows), generator=generator)[:_TREE_ROWS]]
        if len(rows) < 2 * self.min_rows:
            return []
        tree = DecisionTreeRegressor(max_leaf_nodes=self.n_bins, min_samples_leaf=self.min_rows, random_state=0)
        # The tree holds float32, in which a number may lie beyond the largest.
        x = column[rows, None].clamp(-1e38, 1e38).to(torch.float32).numpy()
        found = tree.fit(x, target[rows].numpy()).tree_
        return sorted(set(found.threshold[found.children_left >= 0].tolist()))


def _range(low: float, high: float) -> str:
    if low == -np.inf:
        return f"below {high:.6g}"
    return f"from {low:.6g}" if high == np.inf else f"[{low:.6g}, {high:.6g})"


class Binned(FittedStep):
    """Fitted :class:`Bins`.

    Args:
        flags: columns it adds.
        sources: name of the number of each.
        source: ``(G,)`` int64, position of the number of each.
        rest: numbers that stay, int64.
        low, high: ``(G, 1)`` float64, a bin holds what is at least ``low`` and below ``high``.
    """

    source: Tensor
    rest: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self, *, flags: Sequence[str], sources: Sequence[str], source: Tensor, rest: Tensor, low: Tensor, high: Tensor
    ) -> None:
        super().__init__()
        self.flags = tuple(flags)
        self.sources = tuple(sources)
        self.register_buffer("source", source)
        self.register_buffer("rest", rest)
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, columns: Columns) -> Columns:
        """Append the flags."""
        x = columns.num.index_select(0, self.source)
        flag = ((x >= self.low) & (x < self.high)).to(torch.float32)
        return columns._replace(num=columns.num.index_select(0, self.rest), flag=torch.cat([columns.flag, flag]))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"flags": self.flags, "sources": self.sources}

    def features(self) -> list[Feature]:
        """The range of each flag."""
        bounds = zip(self.flags, self.sources, self.low[:, 0].tolist(), self.high[:, 0].tolist(), strict=True)
        return [Feature(flag, f"1 if {_within(name, low, high)}", (name,)) for flag, name, low, high in bounds]


def _within(name: str, low: float, high: float) -> str:
    if low == -np.inf:
        return f"{name} < {high:.6g}"
    return f"{low:.6g} <= {name}" + ("" if high == np.inf else f" < {high:.6g}")

"""Frequency: how common a level is among the train rows, as a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from colonnade.data.columns import Layout, TrainRows
from colonnade.data.steps.base import Fitted, Step, index_of, others, positions
from colonnade.data.steps.codes import FromTable, offsets, with_numbers


class Frequency(Step):
    """Add a measured column ``<name>.frequency``: the share of the train rows that have the level.

    A level that did not occur in training has frequency 0. Comes before scaling.

    Args:
        columns: which categories; None: all with at least ``min_levels`` levels.
        min_levels: see ``columns``.
        keep: keep the codes too.

    Raises:
        ValueError: ``min_levels`` below 1.
    """

    def __init__(self, *, columns: Sequence[str] | None = None, min_levels: int = 10, keep: bool = True) -> None:
        if min_levels < 1:
            raise ValueError(f"min_levels must be at least 1, got {min_levels!r}")
        self.columns = columns
        self.min_levels = min_levels
        self.keep = keep

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Count the levels of each category. See :meth:`Step.fit`."""
        chosen = positions(layout.cat, self.columns, "Frequency")
        if self.columns is None:
            chosen = [i for i in chosen if len(layout.levels[i]) >= self.min_levels]
        if not chosen:
            return Fitted(None, layout)
        count = torch.cat([layout.counts[i] for i in chosen])
        rest = list(range(len(layout.cat))) if self.keep else others(len(layout.cat), chosen)
        sources = [layout.cat[i] for i in chosen]
        added = layout.fresh(f"{name}.frequency" for name in sources)
        module = WithFrequency(
            names=sources,
            added=added,
            source=index_of(chosen),
            rest=index_of(rest),
            table=count.to(torch.float64)[:, None] / max(len(train), 1),
            offset=offsets([layout.cardinalities[i] for i in chosen]),
        )
        return Fitted(module, with_numbers(layout, added, rest))


class WithFrequency(FromTable):
    """Fitted :class:`Frequency`."""

    def formula(self, name: str, new: str) -> str:
        """In words."""
        return f"share of train rows with this {name}"

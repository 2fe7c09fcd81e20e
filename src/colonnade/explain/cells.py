"""Cells: series as a game whose players are raw columns in parts of their time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.explain.game import Game
from colonnade.explain.scores import Scores
from colonnade.explain.sources import Sources

PARTS, CELLS = 8, 64
"""Parts of the time of a series, and cells, at most."""
STEPS = 2**16
"""Steps that are given to the model at once."""


class Cells(Game):
    """Players are cells: a raw column in a part of the time, of which all series have equally many.

    A cell that is not kept is taken from another series, which is stretched to the length of this one: each step from
    the one at the same share of its length.

    Args:
        network, scores, sources: see :class:`~colonnade.explain.game.Game`.
        steps: of the longest series.

    Attributes:
        parts: of the time; no more than there are steps, and fewer where there are many columns.
    """

    def __init__(self, network: nn.Module, scores: Scores, sources: Sources, *, steps: int) -> None:
        super().__init__(network, scores, sources, block=max(1, STEPS // steps))
        self.parts = max(1, min(PARTS, CELLS // sources.n_columns, steps))

    @property
    def n_players(self) -> int:
        """Number of cells: all columns of the first part, then of the second, ..."""
        return self.parts * self.sources.n_columns

    @property
    def used(self) -> Tensor:
        """See the base class."""
        first = super().used
        return (torch.arange(self.parts).unsqueeze(1) * self.sources.n_columns + first).flatten()

    def value(self, rows: Batch, other: Batch, kept: Tensor) -> Tensor:
        """Scores of series that keep some cells and take the rest from another.

        Args:
            rows: ``N`` encoded series.
            other: one.
            kept: ``(N, cells)`` bool.
        """
        step = torch.arange(rows.num.shape[1])
        length = lengths(rows).unsqueeze(1)
        n_columns = self.sources.n_columns
        part = self.part_of(rows).unsqueeze(2).expand(-1, -1, n_columns)
        at_step = kept.unflatten(1, (self.parts, n_columns)).gather(1, part)
        place = (step * lengths(other) // length).clamp(max=int(lengths(other)) - 1)
        num = torch.where(at_step[..., self.sources.num], rows.num, other.num[0][place])
        cat = torch.where(at_step[..., self.sources.cat], rows.cat, other.cat[0][place])
        return self(Batch(num=num, cat=cat, mask=rows.mask))

    def nothing_kept(self, rows: Batch, other: Batch) -> Tensor:
        """See the base class; the other has the length of each."""
        return self.value(rows, other, torch.zeros(len(rows), self.n_players, dtype=torch.bool))

    def part_of(self, rows: Batch) -> Tensor:
        """The part of each step, ``(N, T)`` int64; of the padding, the last."""
        step = torch.arange(rows.num.shape[1])
        return (step * self.parts // lengths(rows).unsqueeze(1)).clamp(max=self.parts - 1)

    def summed(self, values: Tensor, rows: Batch) -> Tensor:
        """Contributions of steps ``(N, T, columns, views)`` as those of cells, ``(N, cells, views)``."""
        part = self.part_of(rows)[..., None, None].expand_as(values)
        cells = values.new_zeros((len(values), self.parts, *values.shape[2:]))
        return cells.scatter_add_(1, part, values).flatten(1, 2)

    def spread(self, values: Tensor, rows: Batch) -> Tensor:
        """Contributions of cells ``(N, cells, views)`` shared by their steps, ``(N, T, columns, views)``.

        A cell without a step, of a series that is shorter than the number of parts, contributes nothing.
        """
        part, valid = self.part_of(rows), torch.arange(rows.num.shape[1]) < lengths(rows).unsqueeze(1)
        count = torch.zeros(len(values), self.parts, dtype=values.dtype).scatter_add_(1, part, valid.to(values.dtype))
        by_part = values.unflatten(1, (self.parts, self.sources.n_columns))
        index = part[..., None, None].expand(-1, -1, *by_part.shape[2:])
        share = (valid / count.clamp_min(1).gather(1, part)).to(values.dtype)
        return by_part.gather(1, index) * share[..., None, None]


def lengths(rows: Batch) -> Tensor:
    """Steps of each series, ``(N,)`` int64."""
    n, t = rows.num.shape[:2]
    return torch.full((n,), t) if rows.mask is None else rows.mask.sum(1)

"""Game: the model as a function of which columns a row keeps, and which it takes from another row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.explain.scores import Scores
from colonnade.explain.sources import Sources

BLOCK = 4096
"""Rows that are given to the model at once."""


class Game:
    """Players are raw columns, the value of a coalition is the score of the row that keeps them.

    Columns are exchanged after they were encoded: each encoded column comes from one raw column, so that this is what
    exchanging raw values gives, and encoding is done once.

    Args:
        network: a network or a baseline.
        scores: what is explained.
        sources: raw column of each encoded one.
        block: rows that are given to the model at once.
    """

    def __init__(self, network: nn.Module, scores: Scores, sources: Sources, *, block: int = BLOCK) -> None:
        self.network = network.eval()
        self.scores = scores
        self.sources = sources
        self.block = block

    @property
    def n_players(self) -> int:
        """Number of players: raw columns."""
        return len(self.sources.columns)

    @property
    def used(self) -> Tensor:
        """``(players,)`` int64, positions of those that reach the model."""
        return torch.tensor(self.sources.used, dtype=torch.int64)

    @torch.no_grad()
    def __call__(self, rows: Batch) -> Tensor:
        """Scores of encoded rows, ``(N, outputs)`` float64."""
        return torch.cat([self.scores.of_raw(self.network(piece).raw) for piece in rows.split(self.block)])

    def nothing_kept(self, rows: Batch, other: Batch) -> Tensor:
        """Scores of rows that take everything from one other, ``(N, outputs)`` float64."""
        return self(other).expand(len(rows), -1)

    def value(self, rows: Batch, other: Batch, kept: Tensor) -> Tensor:
        """Scores of rows that keep some columns and take the rest from others.

        Args:
            rows, other: ``N`` encoded rows each, or one row for all.
            kept: ``(N, columns)`` bool.

        Returns:
            ``(N, outputs)`` float64.
        """
        num = torch.where(kept[:, self.sources.num], rows.num, other.num)
        cat = torch.where(kept[:, self.sources.cat], rows.cat, other.cat)
        return self(Batch(num=num, cat=cat))


def take(rows: Batch, index: Tensor) -> Batch:
    """Encoded rows at positions ``(N,)`` int64."""
    return Batch(num=rows.num[index], cat=rows.cat[index], mask=None if rows.mask is None else rows.mask[index])

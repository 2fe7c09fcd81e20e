"""Deletion: whether the columns that are said to matter do, measured by taking them away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.explain.game import Game, take
from colonnade.explain.importance import LEVEL, bootstrap_weights

POINTS = 21
"""Points of a curve, unless fewer are asked for."""


@dataclass(frozen=True)
class Deletion:
    """How far scores move towards those of other rows as columns are taken from these.

    Args:
        deleted: ``(points,)`` numbers of columns that are taken away, from 0 to all.
        ordered: ``(points,)`` mean movement, those that are said to hold the score up first.
        shuffled: ``(points,)`` mean movement in random order.
        ratio: area below the first curve over that below the second: 1 is no better than chance; NaN where random
            orders do not move scores towards the others, so that nothing can be told as a multiple of it.
        low, high: bootstrap interval of the ratio, 95 %, over rows.
    """

    deleted: np.ndarray
    ordered: np.ndarray
    shuffled: np.ndarray
    ratio: float
    low: float
    high: float

    @property
    def areas(self) -> tuple[float, float]:
        """Below both curves: mean movement over all shares of the columns, ordered and in random order."""
        share = self.deleted / max(int(self.deleted[-1]), 1)
        return float(np.trapezoid(self.ordered, share)), float(np.trapezoid(self.shuffled, share))


def deletion(
    game: Game,
    rows: Batch,
    background: Batch,
    choice: Tensor,
    values: Tensor,
    *,
    signed: bool,
    orders: int,
    seed: int,
    points: int = POINTS,
) -> Deletion:
    """The deletion curve of contributions (Petsiuk, Das and Saenko, *RISE*, BMVC 2018), against random orders.

    A column is deleted by taking it from background rows, over which the scores are averaged. A row whose score lies
    above that of the background loses its most positive contributions first, one below it the most negative.

    Args:
        game: the model.
        rows: encoded rows.
        background: encoded rows, best others than those that the contributions were counted from.
        choice: ``(N,)`` int64, the output that each row is explained for.
        values: ``(N, columns)`` contributions.
        signed: whether they have a sign; otherwise the largest are deleted first.
        orders: random orders of each row.
        seed: of those orders.
        points: of the curve at most.
    """
    used = game.used
    n = len(used)
    deleted = torch.linspace(0, n, min(n + 1, points)).round().long()
    score = game(rows).gather(1, choice[:, None])[:, 0]
    away = game(background).mean(0)[choice]
    side = torch.where(score >= away, 1.0, -1.0).double()
    supports = values[:, used] * (side[:, None] if signed else 1.0)
    generator = torch.Generator().manual_seed(seed)
    ranks = [supports.argsort(dim=1, descending=True, stable=True).argsort(1)]
    ranks += [torch.rand(len(rows), n, generator=generator).argsort(1) for _ in range(orders)]
    moved = []
    for rank in ranks:
        left = _after(game, rows, background, choice, rank, used, deleted)
        moved.append(side[:, None] * (score[:, None] - left))
    ordered, shuffled = moved[0].numpy(), torch.stack(moved[1:]).mean(0).numpy()
    areas = [np.trapezoid(curve, deleted.numpy() / max(n, 1), axis=1) for curve in (ordered, shuffled)]
    weights = bootstrap_weights(len(rows), seed)
    by_chance = weights @ areas[1]
    ratio = low = high = float("nan")
    if areas[1].mean() > 0 and (by_chance > 0).mean() > (1 + LEVEL) / 2:
        ratio = float(areas[0].mean() / areas[1].mean())
        resampled = weights @ areas[0] / np.where(by_chance > 0, by_chance, np.nan)
        low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Deletion(deleted.numpy(), ordered.mean(0), shuffled.mean(0), ratio, low, high)


def _after(
    game: Game, rows: Batch, background: Batch, choice: Tensor, rank: Tensor, used: Tensor, deleted: Tensor
) -> Tensor:
    """Mean score over the background after the first columns by ``rank`` are deleted, ``(N, points)``."""
    points = len(deleted)
    size = max(1, game.block // points)
    pieces = []
    for first in range(0, len(rows), size):
        index = torch.arange(first, min(first + size, len(rows)))
        kept = torch.ones(len(index), points, game.n_players, dtype=torch.bool)
        kept[:, :, used] = rank[index, None] >= deleted[:, None]
        many = index.repeat_interleave(points)
        total = torch.zeros(len(many), 1, dtype=torch.float64)
        for b in range(len(background)):
            found = game.value(take(rows, many), background.rows(b, b + 1), kept.flatten(0, 1))
            total += found.gather(1, choice[many, None])
        pieces.append((total / len(background)).view(len(index), points))
    return torch.cat(pieces)

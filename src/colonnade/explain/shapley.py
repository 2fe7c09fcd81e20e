"""Shapley values and interactions of raw columns, by walks from background rows to the explained row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import Game, take


def permutation_shapley(game: Game, rows: Batch, background: Batch, choice: Tensor, *, seed: int) -> Attribution:
    """Average what a column adds when columns are taken over one by one, in random orders.

    Castro, Gomez and Tejada, *Polynomial calculation of the Shapley value based on sampling*, Computers & Operations
    Research 2009. From each background row a random order is walked, and the same order backwards (Mitchell et al.,
    *Sampling Permutations for Shapley Value Estimation*, JMLR 2022), which is exact where at most two columns interact.
    Contributions of a row always add up to its score minus the mean score of the background rows.

    Args:
        game: the model.
        rows: encoded rows to be explained.
        background: encoded rows to walk from; ``2 * columns`` rows are evaluated for each of them and each row.
        choice: ``(N, views)`` int64, outputs that each row is explained for.
        seed: of the orders.
    """
    used = game.used
    n = len(used)
    generator = torch.Generator().manual_seed(seed)
    at_rows = game(rows)
    at_background = torch.zeros_like(at_rows)
    total = torch.zeros(len(rows), n, at_rows.shape[1], dtype=torch.float64)
    for b in range(len(background)):
        other = background.rows(b, b + 1)
        start = game.nothing_kept(rows, other)
        at_background += start / len(background)
        rank = torch.rand(len(rows), n, generator=generator).argsort(1)
        for order in (rank, n - 1 - rank):
            total += _walk(game, rows, other, order, used, start, at_rows)
    values = torch.zeros(len(rows), game.n_players, choice.shape[1], dtype=torch.float64)
    mean = total / (2 * len(background))
    values[:, used] = mean.gather(2, choice[:, None].expand(-1, n, -1))
    return Attribution(values=values, base=at_background.gather(1, choice))


def _walk(game: Game, rows: Batch, other: Batch, rank: Tensor, used: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """What each column adds when the columns are taken over in the order of their ranks, ``(N, columns, outputs)``."""
    n = rank.shape[1]
    taken = torch.arange(1, n)[:, None]
    scores = [start[:, None]]
    if n > 1:
        between = []
        size = max(1, game.block // (n - 1))
        for first in range(0, len(rows), size):
            index = torch.arange(first, min(first + size, len(rows)))
            kept = torch.zeros(len(index), n - 1, game.n_players, dtype=torch.bool)
            kept[:, :, used] = rank[index, None] < taken
            found = game.value(take(rows, index.repeat_interleave(n - 1)), other, kept.flatten(0, 1))
            between.append(found.unflatten(0, (len(index), n - 1)))
        scores.append(torch.cat(between))
    scores.append(end[:, None])
    gained = torch.cat(scores, 1).diff(dim=1)
    return gained.gather(1, rank[..., None].expand(-1, -1, gained.shape[2]))


def interactions(
    game: Game, rows: Batch, background: Batch, choice: Tensor, pairs: Sequence[tuple[int, int]], *, seed: int
) -> Tensor:
    """Shapley interaction index of pairs of columns: what both add together beyond what each adds alone.

    Grabisch and Roubens, *An axiomatic approach to the concept of interaction among players in cooperative games*,
    International Journal of Game Theory 1999; over random coalitions of the other columns, one for each background row.

    Args:
        game: the model.
        rows, background: encoded rows.
        choice: ``(N, views)`` int64, outputs that each row is explained for.
        pairs: positions of raw columns.
        seed: of the coalitions.

    Returns:
        ``(N, pairs, views)`` float64.
    """
    generator = torch.Generator().manual_seed(seed)
    n = len(rows)
    found = []
    for pair in pairs:
        total = torch.zeros(n, choice.shape[1], dtype=torch.float64)
        for b in range(len(background)):
            other = background.rows(b, b + 1)
            # Those before both in a random order in which the two stand together.
            moment = torch.rand(n, game.n_players + 1, generator=generator)
            kept = moment[:, :-1] < moment[:, -1:]
            for sign, with_first, with_second in (
                (1, True, True),
                (-1, True, False),
                (-1, False, True),
                (1, False, False),
            ):
                kept[:, pair[0]], kept[:, pair[1]] = with_first, with_second
                total += sign * game.value(rows, other, kept).gather(1, choice)
        found.append(total / len(background))
    return torch.stack(found, 1) if found else torch.zeros(n, 0, choice.shape[1], dtype=torch.float64)

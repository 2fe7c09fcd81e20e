"""Functions of a few numbers as games, and Shapley values by brute force."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import torch
from torch import nn

from colonnade.core.batch import Batch
from colonnade.core.output import Output
from colonnade.explain.game import Game
from colonnade.explain.scores import Scores
from colonnade.explain.sources import Sources


class Function(nn.Module):
    """A network that computes ``function`` of its numbers, ``(B, F)`` to ``(B, outputs)``."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, batch):
        return Output(raw=self.function(batch.num)[:, None])


def scores(n=1):
    return Scores(tuple(f"y{i}" for i in range(n)), "value", lambda raw: raw.mean(1).double())


def sources(n, *, cat=0):
    return Sources(
        columns=tuple(f"x{i}" for i in range(n + cat)),
        num=torch.arange(n),
        cat=torch.arange(n, n + cat),
        used=tuple(range(n + cat)),
    )


def game(function, n, outputs=1):
    return Game(Function(function), scores(outputs), sources(n))


def rows(*shape, seed=0):
    num = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Batch(num=num, cat=torch.zeros(len(num), 0, dtype=torch.int64))


def first(n):
    """Every row is explained for the first output."""
    return torch.zeros(n, 1, dtype=torch.int64)


def coalition(function, x, background, kept):
    """Mean of the function where ``x`` keeps some of its numbers and the rest come from the background."""
    mixed = background.clone()
    mixed[:, list(kept)] = x[list(kept)]
    return function(mixed).mean(0)


def brute_force(function, x, background):
    """Shapley values of one row from all coalitions, ``(columns, outputs)``."""
    n = len(x)
    found = []
    for column in range(n):
        others = [i for i in range(n) if i != column]
        total = 0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for kept in combinations(others, size):
                gain = coalition(function, x, background, (*kept, column)) - coalition(function, x, background, kept)
                total = total + weight * gain
        found.append(total)
    return torch.stack(found)

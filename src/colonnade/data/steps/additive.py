"""Additive: what the columns of train rows say of a target one by one, and what a further column adds on other rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Rows without a remainder that are added to each bin.
_SMOOTHING = 10.0
_ROUNDS = 5


def bin_codes(x: Tensor, learn: Tensor, bins: int) -> Tensor:
    """Bin of each value, between quantiles of the rows to learn from; what is not finite has a bin of its own.

    Args:
        x: ``(N,)`` float64.
        learn: ``(N,)`` bool.
        bins: at most; the codes are 0 .. ``bins``.
    """
    seen = x[learn & x.isfinite()]
    if not len(seen):
        return torch.zeros(len(x), dtype=torch.int64)
    levels = torch.linspace(0, 1, bins + 1, dtype=x.dtype)[1:-1]
    # Sorted values at even ranks: torch.quantile takes no more than 16 million.
    edges = seen.sort().values[(levels * (len(seen) - 1)).round().long()].unique()
    code = torch.searchsorted(edges, x.nan_to_num(0.0), right=True)
    return torch.where(x.isfinite(), code, bins)


class Remainder:
    """What is left of a target by the columns so far.

    A column takes away the mean of what is left in each of its bins, drawn towards 0; several do so in turns, which
    comes near to fitting them together (Hastie, Tibshirani, "Generalized additive models", 1990).

    Args:
        target: ``(N, outputs)`` float64, centred.
        learn: ``(N,)`` bool, rows whose targets means are taken of; the others are held out.
        columns: bins of each column, ``(N,)`` int64 each, taken away at once.
    """

    def __init__(self, target: Tensor, learn: Tensor, columns: Sequence[Tensor] = ()) -> None:
        self.learn = learn
        self.rest = target
        self.rest = self.without(columns)

    def without(self, columns: Sequence[Tensor], rounds: int = _ROUNDS) -> Tensor:
        """What further columns would leave, ``(N, outputs)``."""
        rest = self.rest
        for _ in range(rounds):
            for code in columns:
                size = int(code.max()) + 1
                learned = code[self.learn]
                sums = rest.new_zeros((size, rest.shape[1])).index_add_(0, learned, rest[self.learn])
                count = torch.bincount(learned, minlength=size)
                rest = rest - (sums / (count[:, None] + _SMOOTHING))[code]
        return rest

    def gain(self, columns: Sequence[Tensor], rounds: int = _ROUNDS) -> tuple[float, float]:
        """How much less further columns would leave of held-out rows, as a share, and its standard error."""
        before, after = (values[~self.learn].square().sum(1) for values in (self.rest, self.without(columns, rounds)))
        less, whole = before - after, before.mean().clamp(min=1e-24)
        return float(less.mean() / whole), float(less.std() / len(less) ** 0.5 / whole)

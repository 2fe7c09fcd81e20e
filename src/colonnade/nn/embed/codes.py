"""Category codes: 0 is missing, 1 is unknown, 2 and above are the levels seen in training."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor, nn

from colonnade.nn.checks import fraction

MISSING = 0
UNKNOWN = 1
N_RESERVED = 2


class HideLevels(nn.Module):
    """Turns each known level into "unknown" with probability ``rate`` in training; missing stays missing.

    Train rows hold no unknown level, so without this the unknown slot would keep its random start and an unseen
    level would add noise to a prediction.

    Args:
        rate: probability of a change.

    Raises:
        ValueError: for a rate outside ``[0, 1)``.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        fraction(unknown_rate=rate)
        self.rate = rate

    def forward(self, codes: Int[Tensor, "*batch k"]) -> Int[Tensor, "*batch k"]:
        """``codes`` with levels hidden; ``codes`` itself in evaluation, or at rate zero."""
        if not self.training or self.rate == 0:
            return codes
        hidden = (torch.rand(codes.shape, device=codes.device) < self.rate) & (codes >= N_RESERVED)
        return codes.masked_fill(hidden, UNKNOWN)


def offsets(cardinalities: tuple[int, ...]) -> Int[Tensor, " k"]:
    """Where the codes of each column begin when those of all columns are counted through."""
    return torch.tensor((0, *cardinalities[:-1]), dtype=torch.int64).cumsum(0)[: len(cardinalities)]

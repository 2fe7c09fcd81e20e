"""Category codes: 0 is missing, 1 is unknown, 2 and above are the levels seen in training."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

MISSING = 0
UNKNOWN = 1
N_RESERVED = 2


def hide_levels(codes: Int[Tensor, "*batch k"], rate: float) -> Int[Tensor, "*batch k"]:
    """Turn each known level into "unknown" with probability ``rate``; missing stays missing.

    Train rows hold no unknown level, so without this the unknown slot would keep its random start and an unseen
    level would add noise to a prediction.
    """
    hidden = (torch.rand(codes.shape, device=codes.device) < rate) & (codes >= N_RESERVED)
    return codes.masked_fill(hidden, UNKNOWN)


def offsets(cardinalities: tuple[int, ...]) -> Int[Tensor, " k"]:
    """Where the codes of each column begin when those of all columns are counted through."""
    return torch.tensor((0, *cardinalities[:-1]), dtype=torch.int64).cumsum(0)[: len(cardinalities)]

"""Draw: a number between 0 and 1 for each row that follows from its raw columns, where a method takes a random one."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

GOLDEN = (5**0.5 - 1) / 2
# Turns of a number of size 1: what differs in the fourth digit is far apart.
TURNS = 10_000.0


def row_draw(num: Float[Tensor, "n f"], cat: Int[Tensor, "n k"]) -> Float[Tensor, "n"]:
    """The same number for the same row, evenly spread over ``[0, 1)`` for rows that differ.

    Each column is multiplied by a number of its own, the fractional parts are added, and so is a fractional part taken
    of the sum. These are few operations in float64 on what is not rounded anywhere, so that a graph has the same number
    to twelve digits or so; a hash of what a network gives would not be.

    Args:
        num: raw numbers, float64; missing and infinite ones count as 0.
        cat: codes.
    """
    columns = torch.cat((num, cat.to(torch.float64)), dim=1)
    # Plain numbers: a graph is given them as they are.
    turns = [TURNS * (1 + i * GOLDEN % 1) for i in range(1, columns.shape[1] + 1)]
    turned = columns * torch.tensor(turns, dtype=torch.float64, device=columns.device)
    part = turned - turned.floor()
    # Of what is missing, and of what is too large to have a fractional part.
    part = torch.where(part.isfinite(), part, torch.zeros_like(part)).sum(1)
    return part - part.floor()

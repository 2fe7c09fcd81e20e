"""Steady: numbers beside a forecast that do not depend on the past."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.pace import Pace, Paced

# Logarithms of deviations have to come from 0 to those of the errors, in the few steps that a linear model takes.
RATE = 20.0


class Steady(Paced):
    """Appends to the levels of a linear forecast what is no level of a distribution, such as a deviation for each step
    ahead. It is the same for all windows: a linear map would make it explode or vanish where the past is unusual.

    Args:
        size: numbers that are appended; 0: nothing is.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(size)) if size else None

    def paces(self) -> dict[str, Pace]:
        """Quick, and without decay."""
        return {} if self.value is None else {"value": Pace(lr=RATE, decay=0.0)}

    def forward(self, levels: Float[Tensor, "b c l"]) -> Float[Tensor, "b c h"]:
        """``(B, C, levels)`` to ``(B, C, levels + size)``."""
        if self.value is None:
            return levels
        return torch.cat([levels, self.value.to(levels.dtype).expand(*levels.shape[:2], -1)], dim=-1)

"""Reversible instance normalisation: level and spread are taken off each series, and put back behind the network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-5


class ReversibleNorm(nn.Module):
    """Each channel of each window minus its mean, over its standard deviation.

    Kim et al., *Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift*,
    ICLR 2022. 1e-5 is added to the variance, so that a window that does not change is zero. Departure: learned scales
    are exponentials, so that they are above zero and can be put back.

    Args:
        n_channels: of these many, each gets a learned scale and shift behind the normalisation; None: there are none.
    """

    def __init__(self, n_channels: int | None = None) -> None:
        super().__init__()
        self.learned = n_channels is not None
        if n_channels is not None:
            self.log_weight = nn.Parameter(torch.zeros(n_channels, 1))
            self.bias = nn.Parameter(torch.zeros(n_channels, 1))

    def forward(
        self, x: Float[Tensor, "b c t"]
    ) -> tuple[Float[Tensor, "b c t"], Float[Tensor, "b c 1"], Float[Tensor, "b c 1"]]:
        """``(B, C, T)`` normalised, and the location and scale ``(B, C, 1)`` that bring it back: ``x = normal * scale +
        location``."""
        # From the first step on: the mean of equal numbers is off by a rounding, of which the scale would make 300.
        first = x[..., :1]
        moved = x - first
        mean = moved.mean(-1, keepdim=True)
        scale = (moved.var(-1, keepdim=True, correction=0) + EPSILON).sqrt()
        normal, location = (moved - mean) / scale, first + mean
        if not self.learned:
            return normal, location, scale
        scale = scale * (-self.log_weight).exp()
        return normal * self.log_weight.exp() + self.bias, location - self.bias * scale, scale

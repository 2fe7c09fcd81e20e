"""Reversible instance normalisation: level and spread are taken off each series, and put back behind the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-5


class ReversibleNorm(nn.Module):
    """Each channel of each window minus its mean, over its standard deviation.

    Kim et al., *Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift*,
    ICLR 2022. 1e-5 is added to the variance, so that a window that does not change is zero.

    Args:
        n_channels: of these many, each gets a learned scale and shift behind the normalisation; None: there are none.
    """

    def __init__(self, n_channels: int | None = None) -> None:
        super().__init__()
        self.learned = n_channels is not None
        if n_channels is not None:
            self.weight = nn.Parameter(torch.ones(n_channels, 1))
            self.bias = nn.Parameter(torch.zeros(n_channels, 1))

    def forward(
        self, x: Float[Tensor, "b c t"]
    ) -> tuple[Float[Tensor, "b c t"], Float[Tensor, "b c 1"], Float[Tensor, "b c 1"]]:
        """``(B, C, T)`` normalised, and the mean and scale that were taken off, ``(B, C, 1)``."""
        mean = x.mean(-1, keepdim=True)
        scale = (x.var(-1, keepdim=True, correction=0) + EPSILON).sqrt()
        normal = (x - mean) / scale
        return (normal * self.weight + self.bias if self.learned else normal), mean, scale

    def back(
        self,
        y: Float[Tensor, "b k h"],
        mean: Float[Tensor, "b c 1"],
        scale: Float[Tensor, "b c 1"],
        channels: Sequence[int],
    ) -> Float[Tensor, "b k h"]:
        """Values of some channels in the units that were taken off.

        Args:
            y: ``(B, K, H)``.
            mean, scale: of all channels, what ``forward`` gave.
            channels: which ``K`` of them these are.
        """
        index = list(channels)
        if self.learned:
            y = (y - self.bias[index]) / self.weight[index]
        return y * scale[:, index] + mean[:, index]

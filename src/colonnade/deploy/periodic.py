"""Periodic: embeddings of RealMLP of all columns by two products, and not by one for each column."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.embed.pbld import PBLDEmbedding

LARGEST = 2**15
"""Weights of the second product, most of which are zero: with more, a product for each column is as fast."""


class JointPBLD(nn.Module):
    """A :class:`~colonnade.nn.embed.pbld.PBLDEmbedding` whose frequencies and layers stand in a matrix each.

    Args:
        part: whose weights are known.
    """

    angle: Tensor
    phase: Tensor
    mix: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, part: PBLDEmbedding) -> None:
        super().__init__()
        (n_columns, n_waves), width = part.frequency.shape, part.widths[0]
        angle = part.frequency.new_zeros(n_columns, n_columns, n_waves)
        waves = part.frequency.new_zeros(n_columns, n_waves, n_columns, width)
        numbers, bias = waves.new_zeros(n_columns, n_columns, width), waves.new_zeros(n_columns, width)
        every = torch.arange(n_columns)
        angle[every, every] = 2 * math.pi * part.frequency
        waves[every, :, every, 1:] = part.linear.weight
        # The number itself comes first.
        numbers[every, every, 0] = 1.0
        if part.linear.bias is not None:
            bias[:, 1:] = part.linear.bias
        self.register_buffer("angle", angle.flatten(1))
        self.register_buffer("phase", part.phase.flatten())
        self.register_buffer("mix", torch.cat([waves.flatten(0, 1), numbers]).flatten(1))
        self.register_buffer("bias", bias.flatten())

    def forward(self, x: Tensor) -> Tensor:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        rows = x if x.dim() == 2 else x.flatten(0, -2)
        waves = torch.addmm(self.phase, rows, self.angle).cos()
        out = torch.addmm(self.bias, torch.cat([waves, rows], dim=1), self.mix)
        return out if x.dim() == 2 else out.unflatten(0, x.shape[:-1])


def with_periodic(predictor: nn.Module) -> nn.Module:
    """A predictor whose PBLD embeddings of few columns are two products.

    Args:
        predictor: it stays as it is; without such embeddings in it, it is what is returned.
    """
    return replaced(predictor, PBLDEmbedding, lambda part: JointPBLD(part) if _small(part) else part)


def _small(part: PBLDEmbedding) -> bool:
    n_columns, n_waves = part.frequency.shape
    return n_columns * (n_waves + 1) * sum(part.widths) <= LARGEST

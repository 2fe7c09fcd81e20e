"""Periodic: periodic embeddings of all columns in few passes over their waves, which are most of what they cost."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.periodic import PeriodicEmbedding

LARGEST = 2**15
"""Weights of a joint product, most of which are zero: with more, a product for each column is as fast."""


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
        waves = part.frequency.new_zeros(n_columns, n_waves, n_columns, width)
        numbers, bias = waves.new_zeros(n_columns, n_columns, width), waves.new_zeros(n_columns, width)
        every = torch.arange(n_columns)
        waves[every, :, every, 1:] = part.linear.weight
        # The number itself comes first.
        numbers[every, every, 0] = 1.0
        if part.linear.bias is not None:
            bias[:, 1:] = part.linear.bias
        self.register_buffer("angle", _angles(part.frequency))
        self.register_buffer("phase", part.phase.flatten())
        self.register_buffer("mix", torch.cat([waves.flatten(0, 1), numbers]).flatten(1))
        self.register_buffer("bias", bias.flatten())

    def forward(self, x: Tensor) -> Tensor:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        rows = x if x.dim() == 2 else x.flatten(0, -2)
        waves = torch.addmm(self.phase, rows, self.angle).cos()
        out = torch.addmm(self.bias, torch.cat([waves, rows], dim=1), self.mix)
        return out if x.dim() == 2 else out.unflatten(0, x.shape[:-1])


class JointPeriodic(nn.Module):
    """A :class:`~colonnade.nn.embed.periodic.PeriodicEmbedding` whose frequencies stand in a matrix, and whose cosines
    and sines are each multiplied with their own weights, so that nobody has to put them together.

    Args:
        part: whose weights are known; its columns do not share them.
    """

    angle: Tensor
    of_cosines: Tensor
    of_sines: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, part: PeriodicEmbedding) -> None:
        super().__init__()
        assert isinstance(part.linear, ColumnLinear)
        assert part.linear.bias is not None
        self.activation = part.activation
        self.register_buffer("angle", _angles(part.frequency))
        for name, weight in zip(("of_cosines", "of_sines"), part.linear.weight.chunk(2, dim=1)):
            self.register_buffer(name, weight.clone())
        self.register_buffer("bias", part.linear.bias.unsqueeze(1).clone())

    def forward(self, x: Tensor) -> Tensor:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        rows = x if x.dim() == 2 else x.flatten(0, -2)
        angle = rows @ self.angle
        out = self._product(angle.cos(), self.of_cosines) + self._product(angle.sin(), self.of_sines) + self.bias
        out = (torch.relu(out) if self.activation else out).transpose(0, 1).flatten(1)
        return out if x.dim() == 2 else out.unflatten(0, x.shape[:-1])

    def _product(self, waves: Tensor, weight: Tensor) -> Tensor:
        # Columns come to the front as late as here, where they are read as part of the product.
        return torch.bmm(waves.unflatten(1, weight.shape[:2]).transpose(0, 1), weight)


def with_periodic(predictor: nn.Module) -> nn.Module:
    """A predictor whose periodic embeddings of few columns are joint products.

    Args:
        predictor: it stays as it is; without such embeddings in it, it is what is returned.
    """
    joint = replaced(predictor, PBLDEmbedding, lambda part: JointPBLD(part) if _small(part) else part)
    return replaced(joint, PeriodicEmbedding, lambda part: JointPeriodic(part) if _apart(part) else part)


def _small(part: PBLDEmbedding) -> bool:
    n_columns, n_waves = part.frequency.shape
    return n_columns * (n_waves + 1) * sum(part.widths) <= LARGEST


def _apart(part: PeriodicEmbedding) -> bool:
    return isinstance(part.linear, ColumnLinear) and len(part.frequency) * part.frequency.numel() <= LARGEST


def _angles(frequency: Tensor) -> Tensor:
    """Frequencies ``(F, K)`` as what rows ``(N, F)`` are multiplied with to have the angles ``(N, F * K)``."""
    n_columns, every = len(frequency), torch.arange(len(frequency))
    angle = frequency.new_zeros(n_columns, *frequency.shape)
    angle[every, every] = 2 * math.pi * frequency
    return angle.flatten(1)

"""Distances between rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def squared_distances(a: Float[Tensor, "b d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "b n"]:
    """Squared Euclidean distances by one product, in float32 whatever autocast says.

    ``|a|^2 - 2 a.b + |b|^2`` loses digits where two rows nearly agree: the error is about 1e-7 of their squared length,
    so rows are centred first. Never below zero.

    Args:
        a: ``(B, d)``.
        b: ``(N, d)``.

    Returns:
        ``(B, N)``.
    """
    with torch.autocast(a.device.type, enabled=False):
        centre = b.detach().float().mean(0)
        a, b = a.float() - centre, b.float() - centre
        lengths = a.square().sum(-1, keepdim=True) + b.square().sum(-1)
        return torch.addmm(lengths, a, b.T, alpha=-2).clamp_min(0)

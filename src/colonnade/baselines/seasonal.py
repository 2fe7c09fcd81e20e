"""Classical decomposition of windows: a moving average over a season, and what is left of each phase."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-6


def moving_average(y: Tensor, period: int) -> Tensor:
    """Mean over a season around each step; over two seasons that are a step apart where the period is even.

    Args:
        y: ``(B, C, n)``.
        period: steps of a season.

    Returns:
        ``(B, C, n - 2 * (period // 2))``, the first of step ``period // 2``.
    """
    n, half = y.shape[-1], period // 2
    step = torch.arange(n, device=y.device)
    # As a matrix, which an exported graph has in float64 too.
    distance = (step[:, None] - step[half : n - half]).abs()
    weight = (distance <= half).to(y.dtype)
    if period % 2 == 0:
        weight = weight - 0.5 * (distance == half).to(y.dtype)
    return y @ (weight / period)


def seasonal_pattern(y: Tensor, period: int, multiplicative: Tensor) -> tuple[Tensor, Tensor]:
    """What each phase of a season adds to the trend, or multiplies it with.

    Args:
        y: ``(B, C, n)``, two seasons or more.
        period: steps of a season.
        multiplicative: ``(C, 1)`` bool.

    Returns:
        ``(B, C, period)``, of mean 0 or 1, of the phases from the first step on; and the trend, see
        :func:`moving_average`.
    """
    trend = moving_average(y, period)
    half = period // 2
    middle = y[..., half : half + trend.shape[-1]]
    rest = torch.where(multiplicative, middle / above(trend), middle - trend)
    phase = torch.arange(half, half + trend.shape[-1], device=y.device).remainder(period)
    of_phase = (phase == torch.arange(period, device=y.device)[:, None]).to(y.dtype)
    pattern = rest @ (of_phase / of_phase.sum(1, keepdim=True)).T
    mean = pattern.mean(-1, keepdim=True)
    return torch.where(multiplicative, above(pattern / above(mean)), pattern - mean), trend


def above(values: Tensor) -> Tensor:
    """What may be divided by: train steps are above 0 where anything is multiplied, but a new window may be empty."""
    return values.clamp_min(LEAST)

"""Scores: a target as numbers, for steps that average or explain it."""

from __future__ import annotations

import torch
from torch import Tensor


def target_scores(target: Tensor) -> Tensor:
    """What is averaged: values, or an indicator for each class (of two, for the second).

    Args:
        target: ``(N, ...)`` as ``Batch.target``.

    Returns:
        ``(N, outputs)`` float64.
    """
    if target.is_floating_point():
        return target.reshape(len(target), -1).to(torch.float64)
    hot = torch.nn.functional.one_hot(target).to(torch.float64)
    return hot[:, 1:] if hot.shape[1] == 2 else hot


def standard_scores(target: Tensor) -> Tensor:
    """The same with mean 0 and, over all outputs together, variance 1; what does not vary is left out.

    Returns:
        ``(N, outputs)`` float64, perhaps without outputs.
    """
    scores = target_scores(target)
    scores = scores - scores.mean(0)
    scores = scores[:, scores.square().mean(0) > 1e-24]
    if target.is_floating_point():
        # Targets in different units count the same.
        scores = scores / scores.square().mean(0).sqrt()
    return scores / scores.square().mean(0).sum().clamp(min=1e-24).sqrt()

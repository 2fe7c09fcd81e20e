"""Sparsemax: the Euclidean projection onto the probability simplex."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sparsemax(scores: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Probabilities that sum to one, many of them exactly zero.

    Martins and Astudillo, *From Softmax to Sparsemax*, ICML 2016. The support is found by sort and cumulative sum on
    detached scores; the threshold is then the mean over the support, through which autograd finds the right gradient
    without differentiating the sort. Made of operators that export to ONNX.

    Args:
        scores: ``(*, d)``.

    Returns:
        ``(*, d)``, non-negative, summing to one over the last dimension.
    """
    # Sparsemax does not change when all scores shift, and large scores would swallow the one.
    scores = scores - scores.detach().amax(-1, keepdim=True)
    fixed = scores.detach()
    falling, _ = torch.sort(fixed, dim=-1, descending=True)
    excess = falling.cumsum(-1) - 1
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    size = (rank * falling > excess).sum(-1, keepdim=True).clamp_min(1)  # 0 for NaN only
    # At least as large as the smallest score of the support: ties belong to it.
    support = (fixed >= falling.gather(-1, size - 1)).to(scores.dtype)
    threshold = ((scores * support).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True)
    return torch.relu(scores - threshold) * support

"""1.5-entmax: between softmax and sparsemax."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def entmax15(scores: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Probabilities that sum to one, some of them exactly zero: ``relu(scores / 2 - threshold) ** 2``.

    Peters, Niculae and Martins, *Sparse Sequence-to-Sequence Models*, ACL 2019. The support is found by sort and
    cumulative sums on detached scores; over it the threshold has a closed form, through which autograd finds the right
    gradient.

    Args:
        scores: ``(*, d)``.

    Returns:
        ``(*, d)``, non-negative, summing to one over the last dimension.
    """
    # Nothing changes when all scores shift, and large ones would swallow the rest.
    half = (scores - scores.detach().amax(-1, keepdim=True)) / 2
    fixed = half.detach()
    falling, _ = torch.sort(fixed, dim=-1, descending=True)
    rank = torch.arange(1, half.shape[-1] + 1, device=half.device, dtype=half.dtype)
    candidates = _threshold(falling.cumsum(-1), falling.square().cumsum(-1), rank)
    size = (candidates <= falling).sum(-1, keepdim=True).clamp_min(1)  # 0 for NaN only
    # At least as large as the smallest score of the support: ties belong to it.
    support = (fixed >= falling.gather(-1, size - 1)).to(half.dtype)
    inside = half * support
    threshold = _threshold(
        inside.sum(-1, keepdim=True), (inside * half).sum(-1, keepdim=True), support.sum(-1, keepdim=True)
    )
    return torch.relu(half - threshold).square() * support


def entmoid15(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """First of the two probabilities of ``entmax15([x, 0])``: a sigmoid that is 0 below -2 and 1 above 2."""
    x = x.clamp(-2, 2)
    return 0.5 + x * (8 - x.square()).sqrt() / 8


def _threshold(total: Tensor, squares: Tensor, n: Tensor) -> Tensor:
    """Where ``n`` numbers of this sum and sum of squares have ``sum((number - threshold) ** 2) == 1``."""
    mean = total / n
    spread = (squares - total * mean).clamp_min(0)
    # Wider than one: these are no support, and the root has no gradient at zero.
    return mean - ((1 - spread).clamp_min(1e-12) / n).sqrt()

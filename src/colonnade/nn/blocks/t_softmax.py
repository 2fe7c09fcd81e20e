"""t-softmax: a softmax that gives weight only to what comes within ``t`` of the largest score."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# Keeps the logarithm finite; what is left out gets the share of e^-18.
_EPS = 1e-8


def t_softmax(scores: Float[Tensor, "*batch d"], t: Float[Tensor, "*batch 1"]) -> Float[Tensor, "*batch d"]:
    """Softmax weighted by how far each score lies above ``max - t``; at or below that it is (all but) zero.

    Bałazy et al., *r-softmax: Generalized Softmax with Controllable Sparsity Rate*, ICCS 2023.

    Args:
        scores: ``(*, d)``.
        t: ``(*, 1)``, above zero.

    Returns:
        ``(*, d)``, summing to one over the last dimension.
    """
    below = scores - scores.amax(-1, keepdim=True)
    return torch.softmax(below + torch.log(torch.relu(below + t) + _EPS), dim=-1)


def t_of_sparsity(scores: Float[Tensor, "*batch d"], sparsity: float) -> Float[Tensor, "*batch 1"]:
    """The ``t`` with which :func:`t_softmax` leaves out a share of the scores.

    Args:
        scores: ``(*, d)``.
        sparsity: share, in ``[0, 1)``.
    """
    below = scores - scores.amax(-1, keepdim=True)
    return _EPS - torch.quantile(below, sparsity, dim=-1, keepdim=True)

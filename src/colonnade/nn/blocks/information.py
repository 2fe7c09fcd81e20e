"""How much encoded columns tell about the target."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from colonnade.core.batch import Batch


def mutual_information(rows: Batch, *, n_bins: int = 16) -> Float[Tensor, " c"]:
    """Mutual information of each column with the target, in nats; with several targets their mean.

    Numbers are cut at quantiles; shares of the joint table stand for probabilities, less the bias of that (Miller,
    *Note on the bias of information estimates*, 1955), which would favour columns of many levels.

    Args:
        rows: with targets.
        n_bins: bins of a number at most.

    Returns:
        ``(F + K,)`` float32, numeric columns first; may be a little below zero.
    """
    assert rows.target is not None
    targets = rows.target.unsqueeze(1) if rows.target.ndim == 1 else rows.target
    told = [_codes(column, n_bins) for column in targets.unbind(1)]
    columns = [_codes(column, n_bins) for part in (rows.num, rows.cat) for column in part.unbind(1)]
    return torch.stack([torch.stack([_information(a, b) for b in told]).mean() for a in columns])


def _codes(column: Tensor, n_bins: int) -> Int[Tensor, " n"]:
    """Levels counted from 0: those of a category or class, or bins of a number."""
    if column.is_floating_point():
        level = torch.linspace(0, 1, n_bins + 1, device=column.device)[1:-1]
        column = torch.bucketize(column.contiguous(), column.quantile(level, interpolation="nearest").unique())
    return column.unique(return_inverse=True)[1]


def _information(a: Int[Tensor, " n"], b: Int[Tensor, " n"]) -> Float[Tensor, ""]:
    n_a, n_b = int(a.max()) + 1, int(b.max()) + 1
    joint = torch.bincount(a * n_b + b, minlength=n_a * n_b).view(n_a, n_b) / len(a)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    bias = (n_a - 1) * (n_b - 1) / (2 * len(a))
    return torch.special.xlogy(joint, joint / apart).sum() - bias

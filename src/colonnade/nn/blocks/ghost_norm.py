"""Ghost batch normalisation: statistics of small virtual batches."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import fraction, positive


class GhostBatchNorm(nn.Module):
    """Batch normalisation whose training statistics are those of virtual batches.

    Hoffer, Hubara and Soudry, *Train longer, generalize better*, NeurIPS 2017. The virtual batches are laid side by
    side as further channels of one fused call; running statistics come out as if they had been normalised one after
    the other.

    Args:
        d: number of channels.
        virtual_batch: rows of a virtual batch at most; the batch is cut into pieces of equal size.
        momentum: weight of new statistics in the running ones.
        eps: added to the variance.

    Raises:
        ValueError: for an argument out of range.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, d: int, *, virtual_batch: int = 128, momentum: float = 0.02, eps: float = 1e-5) -> None:
        super().__init__()
        positive(d=d, virtual_batch=virtual_batch, eps=eps)
        fraction(momentum=momentum)
        self.virtual_batch = virtual_batch
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.register_buffer("running_mean", torch.zeros(d))
        self.register_buffer("running_var", torch.ones(d))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Normalise ``(B, d)``; in evaluation with the running statistics."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        n_rows = x.shape[0]
        n_pieces = math.ceil(n_rows / self.virtual_batch)
        size = math.ceil(n_rows / n_pieces)
        n_equal = n_rows // size
        if n_equal * size == n_rows:
            return self._normalise(x, n_equal)
        head, tail = x.split((n_equal * size, n_rows - n_equal * size))
        return torch.cat([self._normalise(head, n_equal), self._normalise(tail, 1)])

    def _normalise(self, x: Tensor, n_pieces: int) -> Tensor:
        size, d = x.shape[0] // n_pieces, x.shape[1]
        if size == 1:  # one row has no variance of its own
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        # With momentum 1 these receive the statistics of every piece.
        mean = torch.zeros(n_pieces * d, device=x.device, dtype=self.running_mean.dtype)
        var = torch.ones(n_pieces * d, device=x.device, dtype=self.running_var.dtype)
        wide = x if n_pieces == 1 else x.view(n_pieces, size, d).transpose(0, 1).reshape(size, n_pieces * d)
        wide = F.batch_norm(
            wide, mean, var, self.weight.repeat(n_pieces), self.bias.repeat(n_pieces), True, 1.0, self.eps
        )
        with torch.no_grad():
            keep = 1 - self.momentum
            share = self.momentum * keep ** torch.arange(n_pieces - 1, -1, -1, device=x.device, dtype=mean.dtype)
            self.running_mean.mul_(keep**n_pieces).add_(share @ mean.view(n_pieces, d))
            self.running_var.mul_(keep**n_pieces).add_(share @ var.view(n_pieces, d))
        return wide if n_pieces == 1 else wide.view(size, n_pieces, d).transpose(0, 1).reshape(-1, d)

"""Batch normalisation over the valid steps of sequences."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SequenceBatchNorm(nn.BatchNorm1d):
    """:class:`torch.nn.BatchNorm1d` over ``(B, C, T)`` whose statistics are those of the valid steps.

    Ioffe and Szegedy, *Batch Normalization*, ICML 2015. Padding would pull mean and variance towards its own value, the
    further the more of it there is.

    Args:
        num_features: channels ``C``.
    """

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None
    ) -> Float[Tensor, "b c t"]:
        """Normalise; what comes of the padding is of no use."""
        if mask is None or not self.training:
            return super().forward(x)
        valid = mask.unsqueeze(1).to(x.dtype)
        n = valid.sum()
        mean = (x * valid).sum((0, 2)) / n
        centred = (x - mean[:, None]) * valid
        variance = centred.square().sum((0, 2)) / n
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.detach().to(self.running_mean), self.momentum)
            unbiased = variance.detach() * n / (n - 1).clamp(min=1)
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None] + self.bias[:, None]

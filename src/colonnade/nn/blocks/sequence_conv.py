"""Convolutions and poolings along the steps of sequences, for which padding is as if it were not there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def without_padding(
    x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None, fill: float = 0.0
) -> Float[Tensor, "b c t"]:
    """``fill`` in the place of all steps that are not valid."""
    return x if mask is None else x.masked_fill(~mask.unsqueeze(1), fill)


class SameConv(nn.Conv1d):
    """A convolution that keeps the length: beyond both ends of a sequence stand zeros, in its padding too.

    Args:
        d_in, d_out: channels.
        kernel: steps that it sees.
        bias: whether there is one.
        dilation: distance of the steps that it sees.
        groups: of channels, each convolved by itself.
    """

    def __init__(
        self, d_in: int, d_out: int, kernel: int, *, bias: bool = False, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__(d_in, d_out, kernel, bias=bias, dilation=dilation, groups=groups)
        # Of an even kernel the larger half lies behind, as torch's padding="same" has it; given here as numbers, since
        # that refuses to export.
        span = dilation * (kernel - 1)
        self.around = (span // 2, span - span // 2)

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None
    ) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        return super().forward(F.pad(without_padding(x, mask), self.around))


def max_of_three(x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b c t"]:
    """The largest of each step and its valid neighbours."""
    rows = without_padding(x, mask, -torch.inf).unsqueeze(2)
    # What max_pool1d does within; that itself fixes the number of steps in an export.
    return F.max_pool2d(rows, kernel_size=(1, 3), stride=1, padding=(0, 1)).squeeze(2)

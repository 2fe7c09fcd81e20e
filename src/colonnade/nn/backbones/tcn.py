"""TCN: causal convolutions whose distance doubles from block to block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.pooling import POOLINGS, StepPool
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout


class Tcn(SequenceBackbone):
    """Blocks of two dilated causal convolutions with a shortcut, and a pooling of the steps.

    Bai, Kolter and Koltun, *An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
    Modeling*, arXiv:1803.01271, 2018: weights are normalised, and the state of a step depends on no later one. That of
    the last step looks back ``1 + 2 (kernel - 1) sum(dilations)`` steps: 63 by default.

    Args:
        layout: of an embedded step.
        d_hidden: channels.
        kernel: steps that a convolution sees.
        dilations: distance of these steps in each block.
        dropout: dropout after each convolution.
        pooling: see :class:`~colonnade.nn.blocks.pooling.StepPool`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_hidden: int = 128,
        kernel: int = 2,
        dilations: Sequence[int] = (1, 2, 4, 8, 16),
        dropout: float = 0.2,
        pooling: str = "mean",
    ) -> None:
        super().__init__()
        positive(d_hidden=d_hidden)
        fraction(dropout=dropout)
        one_of(POOLINGS, pooling=pooling)
        if kernel < 2:
            raise ValueError(f"kernel={kernel} is out of range: expected kernel >= 2, or no step sees another")
        if not dilations:
            raise ValueError("dilations=[] is empty: expected at least one")
        for dilation in dilations:
            positive(dilations=dilation)
        self.d_out = d_hidden
        widths = (layout.d_flat, *[d_hidden] * len(dilations))
        self.blocks = nn.ModuleList(
            Block(d_in, d_hidden, kernel, dilation, dropout) for d_in, dilation in zip(widths, dilations)
        )
        self.pool = StepPool(d_hidden, pooling)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, T, d_flat)`` to ``(B, 1, d_hidden)``."""
        x = x.transpose(1, 2)
        # The padding stands behind the valid steps, where none of them looks.
        for block in self.blocks:
            x = block(x)
        return self.pool(x.transpose(1, 2), mask).unsqueeze(1), None


class Block(nn.Module):
    """Two convolutions, each with ReLU and dropout, and a shortcut.

    Args:
        d_in, d_out: channels.
        kernel, dilation, dropout: see :class:`Tcn`.
    """

    def __init__(self, d_in: int, d_out: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.behind = dilation * (kernel - 1)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(width, d_out, kernel, dilation=dilation)) for width in (d_in, d_out)
        )
        self.shortcut = nn.Conv1d(d_in, d_out, 1) if d_in != d_out else None
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        out = x
        for conv in self.convs:
            out = self.dropout(torch.relu(conv(F.pad(out, (self.behind, 0)))))
        return torch.relu(out + (x if self.shortcut is None else self.shortcut(x)))

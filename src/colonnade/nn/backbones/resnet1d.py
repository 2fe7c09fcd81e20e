"""ResNet of one-dimensional convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.pooling import mean_of_steps
from colonnade.nn.blocks.sequence_conv import SameConv
from colonnade.nn.blocks.sequence_norm import SequenceBatchNorm
from colonnade.nn.checks import positive
from colonnade.nn.layout import Layout


class ResNet1d(SequenceBackbone):
    """Blocks of three convolutions with a shortcut, and the mean over the steps.

    Wang, Yan and Oates, *Time Series Classification from Scratch with Deep Neural Networks: A Strong Baseline*, IJCNN
    2017.

    Args:
        layout: of an embedded step.
        d_blocks: channels of each block.
        kernels: steps that the convolutions of a block see.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, *, layout: Layout, d_blocks: Sequence[int] = (64, 128, 128), kernels: Sequence[int] = (8, 5, 3)
    ) -> None:
        super().__init__()
        for name, values in (("d_blocks", d_blocks), ("kernels", kernels)):
            if not values:
                raise ValueError(f"{name}=[] is empty: expected at least one")
            for value in values:
                positive(**{name: value})
        self.d_out = d_blocks[-1]
        self.blocks = nn.ModuleList(
            Block(d_in, d_out, kernels) for d_in, d_out in zip((layout.d_flat, *d_blocks), d_blocks)
        )

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, T, d_flat)`` to ``(B, 1, d_blocks[-1])``."""
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x, mask)
        return mean_of_steps(x.transpose(1, 2), mask).unsqueeze(1), None


class Block(nn.Module):
    """Convolutions, each with batch normalisation, and a shortcut; a ReLU after all but the last, and after the sum.

    Args:
        d_in, d_out: channels.
        kernels: steps that the convolutions see.
    """

    def __init__(self, d_in: int, d_out: int, kernels: Sequence[int]) -> None:
        super().__init__()
        widths = (d_in, *[d_out] * len(kernels))
        self.convs = nn.ModuleList(SameConv(a, b, kernel) for a, b, kernel in zip(widths, widths[1:], kernels))
        self.norms = nn.ModuleList(SequenceBatchNorm(d_out) for _ in kernels)
        # The reference normalises the shortcut where the widths are equal, too, and has no convolution there.
        self.shortcut = SameConv(d_in, d_out, 1) if d_in != d_out else None
        self.shortcut_norm = SequenceBatchNorm(d_out)

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        out = x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            out = norm(conv(torch.relu(out) if i else out, mask), mask)
        short = x if self.shortcut is None else self.shortcut(x, mask)
        return torch.relu(out + self.shortcut_norm(short, mask))

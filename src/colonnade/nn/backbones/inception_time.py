"""InceptionTime: convolutions of several lengths side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.pooling import mean_of_steps
from colonnade.nn.blocks.sequence_conv import SameConv, max_of_three
from colonnade.nn.blocks.sequence_norm import SequenceBatchNorm
from colonnade.nn.checks import positive
from colonnade.nn.layout import Layout

RESIDUAL_EVERY = 3


class InceptionTime(SequenceBackbone):
    """Inception modules with a shortcut around every three, and the mean over the steps; or several such networks.

    Ismail Fawaz et al., *InceptionTime: Finding AlexNet for Time Series Classification*, Data Mining and Knowledge
    Discovery 2020, whose classifier is the mean of five networks.

    Args:
        layout: of an embedded step.
        n_modules: depth.
        n_filters: filters of each branch of a module, of which there is one more than kernels.
        kernels: steps that the branches see.
        bottleneck: channels that the branches read, of a module that has more than one.
        n_members: networks that are trained side by side, each with its own loss, and averaged.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        n_modules: int = 6,
        n_filters: int = 32,
        kernels: Sequence[int] = (40, 20, 10),
        bottleneck: int = 32,
        n_members: int = 1,
    ) -> None:
        super().__init__()
        positive(n_modules=n_modules, n_filters=n_filters, bottleneck=bottleneck, n_members=n_members)
        if not kernels:
            raise ValueError("kernels=[] is empty: expected at least one")
        for kernel in kernels:
            positive(kernels=kernel)
        self.n_members = n_members
        self.d_out = n_filters * (len(kernels) + 1)
        self.members = nn.ModuleList(
            Member(layout.d_flat, self.d_out, n_modules, n_filters, kernels, bottleneck) for _ in range(n_members)
        )

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b m h"], None]:
        """``(B, T, d_flat)`` to ``(B, n_members, d_out)``."""
        channels = x.transpose(1, 2)
        hidden = [mean_of_steps(member(channels, mask).transpose(1, 2), mask) for member in self.members]
        return torch.stack(hidden, dim=1), None


class Member(nn.Module):
    """One network: its modules and their shortcuts."""

    def __init__(
        self, d_in: int, d_out: int, n_modules: int, n_filters: int, kernels: Sequence[int], bottleneck: int
    ) -> None:
        super().__init__()
        widths = (d_in, *[d_out] * n_modules)
        self.inceptions = nn.ModuleList(
            Inception(width, n_filters, kernels, bottleneck) for width in widths[:n_modules]
        )
        self.shortcuts = nn.ModuleList(
            SameConv(widths[i * RESIDUAL_EVERY], d_out, 1) for i in range(n_modules // RESIDUAL_EVERY)
        )
        self.norms = nn.ModuleList(SequenceBatchNorm(d_out) for _ in self.shortcuts)

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        short = x
        for i, inception in enumerate(self.inceptions):
            x = inception(x, mask)
            if i % RESIDUAL_EVERY == RESIDUAL_EVERY - 1:
                j = i // RESIDUAL_EVERY
                x = torch.relu(x + self.norms[j](self.shortcuts[j](short, mask), mask))
                short = x
        return x


class Inception(nn.Module):
    """A module: convolutions of several lengths over a bottleneck, and one over the largest of neighbouring steps.

    Args:
        d_in: channels.
        n_filters: filters of each branch.
        kernels: steps that the branches see.
        bottleneck: channels that the branches read, where there is more than one.
    """

    def __init__(self, d_in: int, n_filters: int, kernels: Sequence[int], bottleneck: int) -> None:
        super().__init__()
        self.bottleneck = SameConv(d_in, bottleneck, 1) if d_in > 1 else None
        width = d_in if self.bottleneck is None else bottleneck
        self.branches = nn.ModuleList(SameConv(width, n_filters, kernel) for kernel in kernels)
        self.pooled = SameConv(d_in, n_filters, 1)
        self.norm = SequenceBatchNorm(n_filters * (len(kernels) + 1))

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, n_filters * (kernels + 1), T)``."""
        narrow = x if self.bottleneck is None else self.bottleneck(x, mask)
        parts = [branch(narrow, mask) for branch in self.branches]
        parts.append(self.pooled(max_of_three(x, mask), mask))
        return torch.relu(self.norm(torch.cat(parts, dim=1), mask))

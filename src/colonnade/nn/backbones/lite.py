"""LITE: a small convolutional network whose first filters are partly drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.pooling import mean_of_steps
from colonnade.nn.blocks.sequence_conv import SameConv, without_padding
from colonnade.nn.blocks.sequence_norm import SequenceBatchNorm
from colonnade.nn.checks import positive
from colonnade.nn.layout import Layout


class Lite(SequenceBackbone):
    """Convolutions of three lengths beside filters that are not learned, then two separable dilated convolutions, and
    the mean over the steps; or several such networks.

    Ismail-Fawaz, Devanne, Berretti, Weber and Forestier, *LITE: Light Inception with boosTing tEchniques for Time
    Series Classification*, DSAA 2023. Its classifier LITETime is the mean of five networks of 9,814 weights. Of several
    channels: *Look Into the LITE in Deep Learning for Time Series Classification* (LITEMV), 2024, where the first
    convolutions are separable and each channel has its own fixed filters.

    Args:
        layout: of an embedded step.
        n_filters: filters of each convolution.
        kernel: steps that the longest of the first convolutions sees; the others see a half and a quarter. Of the two
            that follow, the first sees a half at every second step, the other a quarter at every fourth.
        fixed: lengths of the fixed filters that answer to rise and fall, powers of 2; those from 4 on have one that
            answers to a peak, too.
        n_members: networks that are trained side by side, each with its own loss, and averaged.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        n_filters: int = 32,
        kernel: int = 40,
        fixed: Sequence[int] = (2, 4, 8, 16, 32, 64),
        n_members: int = 1,
    ) -> None:
        super().__init__()
        positive(n_filters=n_filters, n_members=n_members)
        if kernel < 4:
            raise ValueError(f"kernel={kernel} is out of range: expected kernel >= 4, of which a quarter is one step")
        for length in fixed:
            if length < 2 or length & (length - 1):
                raise ValueError(f"fixed={list(fixed)}: expected powers of 2 from 2 on")
        self.n_members = n_members
        self.d_out = n_filters
        self.members = nn.ModuleList(Member(layout.d_flat, n_filters, kernel, fixed) for _ in range(n_members))

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b m h"], None]:
        """``(B, T, d_flat)`` to ``(B, n_members, n_filters)``."""
        channels = x.transpose(1, 2)
        hidden = [mean_of_steps(member(channels, mask).transpose(1, 2), mask) for member in self.members]
        return torch.stack(hidden, dim=1), None


class Member(nn.Module):
    """One network.

    Args:
        d_in: channels.
        n_filters, kernel, fixed: see :class:`Lite`.
    """

    def __init__(self, d_in: int, n_filters: int, kernel: int, fixed: Sequence[int]) -> None:
        super().__init__()
        first = SameConv if d_in == 1 else Separable
        self.branches = nn.ModuleList(first(d_in, n_filters, kernel // 2**i) for i in range(3))
        self.fixed = FixedFilters(d_in, fixed)
        width = 3 * n_filters + self.fixed.d_out
        self.norm = SequenceBatchNorm(width)
        self.convs = nn.ModuleList(
            Separable(d, n_filters, kernel // 2**i, dilation=2**i) for i, d in ((1, width), (2, n_filters))
        )
        self.norms = nn.ModuleList(SequenceBatchNorm(n_filters) for _ in self.convs)

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, n_filters, T)``."""
        parts = [*(branch(x, mask) for branch in self.branches), self.fixed(x, mask)]
        x = torch.relu(self.norm(torch.cat(parts, dim=1), mask))
        for conv, norm in zip(self.convs, self.norms):
            x = torch.relu(norm(conv(x, mask), mask))
        return x


class Separable(nn.Module):
    """A convolution of each channel by itself, and a mixture of the channels at each step (Chollet, CVPR 2017).

    Args:
        d_in, d_out, kernel, dilation: see :class:`~colonnade.nn.blocks.sequence_conv.SameConv`.
    """

    def __init__(self, d_in: int, d_out: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.each = SameConv(d_in, d_in, kernel, dilation=dilation, groups=d_in)
        self.mixed = SameConv(d_in, d_out, 1)

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        mixed: Tensor = self.mixed(self.each(x, mask), mask)
        return mixed


class FixedFilters(nn.Module):
    """Filters of each channel that answer to a rise, to a fall and to a peak, and a ReLU; nothing is learned.

    Args:
        d_in: channels.
        lengths: see :class:`Lite`.
    """

    def __init__(self, d_in: int, lengths: Sequence[int]) -> None:
        super().__init__()
        self.d_in = d_in
        self.d_out = 0
        filters = [*(_wave(n, -1) for n in lengths), *(_wave(n, 1) for n in lengths)]
        filters += [_peak(n) for n in lengths if n >= 4]
        self.names = [f"filter{i}" for i in range(len(filters))]
        for name, one in zip(self.names, filters):
            self.register_buffer(name, one.repeat(d_in, 1, 1), persistent=False)
            self.d_out += d_in

    def forward(self, x: Float[Tensor, "b c t"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d t"]:
        """``(B, d_in, T)`` to ``(B, d_out, T)``."""
        x = without_padding(x, mask)
        if not self.names:
            return x[:, :0]
        parts = []
        for name in self.names:
            weight = self.get_buffer(name).to(x.dtype)
            n = weight.shape[-1]
            parts.append(F.conv1d(F.pad(x, ((n - 1) // 2, n // 2)), weight, groups=self.d_in))
        return torch.relu(torch.cat(parts, dim=1))


def _wave(n: int, first: int) -> Float[Tensor, "1 1 n"]:
    """Ones of alternating signs."""
    return (torch.tensor(float(first)) * (-1.0) ** torch.arange(n)).view(1, 1, n)


def _peak(n: int) -> Float[Tensor, "1 1 k"]:
    """Three arches of parabolas, the one in the middle upwards and twice as high, over ``1.5 n`` steps."""
    rise = torch.linspace(0, 1, n // 4 + 1)[1:] ** 2
    arch = torch.cat([rise, rise.flip(0)])
    return torch.cat([-arch, 2 * arch, -arch]).view(1, 1, -1)

"""RealMLP: a perceptron whose every part was chosen on many data sets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.nn.backbones.base import Backbone, DataAware
from colonnade.nn.blocks.dropout import FlatCosDropout
from colonnade.nn.blocks.feature_scale import FeatureScale
from colonnade.nn.blocks.ntp import NTPLinear
from colonnade.nn.blocks.parametric_activation import ParametricActivation
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class RealMLPHead(nn.Module, DataAware):
    """A linear layer in neural-tangent parametrisation.

    Args:
        d_in: width of a representation.
        n_members: members; one.
        out_shape: shape of the output for one row, as the task asks.
        clamp: whether predictions keep within the targets of the train rows; in the reference numbers do. It takes
            effect where an output is the value itself, so not for quantiles.

    Raises:
        ValueError: the backbone has several members.
    """

    low: Tensor
    high: Tensor

    def __init__(self, *, d_in: int, n_members: int, out_shape: tuple[int, ...], clamp: bool = False) -> None:
        super().__init__()
        if n_members != 1:
            raise ValueError(f"n_members={n_members} is out of range: this head serves a single member")
        self.out_shape = tuple(out_shape)
        self.clamp = clamp
        self.linear = NTPLinear(d_in, math.prod(out_shape))
        self.register_buffer("low", torch.full(self.out_shape, -torch.inf))
        self.register_buffer("high", torch.full(self.out_shape, torch.inf))

    def start(self, x: Float[Tensor, "n 1 d"], rows: Batch) -> None:
        """Begin from what the layer is given for train rows ``(n, 1, d_in)``, and note their extreme targets."""
        self.linear.start(x.squeeze(1))
        if self.clamp and rows.target is not None and rows.target.shape[1:] == self.out_shape:
            self.low.copy_(rows.target.amin(0))
            self.high.copy_(rows.target.amax(0))

    def forward(self, x: Float[Tensor, "b 1 d"]) -> Float[Tensor, "b 1 *out"]:
        """``(B, 1, d_in)`` to ``(B, 1, *out_shape)``."""
        out = self.linear(x).reshape(-1, 1, *self.out_shape)
        return out.clamp(self.low, self.high) if self.clamp and not self.training else out


class RealMLP(Backbone, DataAware):
    """Scale each input, then linear, activation, dropout, as often as there are hidden widths.

    Holzmüller, Grinsztajn and Steinwart, *Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data*,
    NeurIPS 2024. Its parts: :class:`~colonnade.nn.blocks.feature_scale.FeatureScale`,
    :class:`~colonnade.nn.blocks.ntp.NTPLinear` with its start from train rows,
    :class:`~colonnade.nn.blocks.parametric_activation.ParametricActivation`,
    :class:`~colonnade.nn.blocks.dropout.FlatCosDropout`; before it the pipeline ``robust`` and
    :class:`~colonnade.nn.embed.pbld.PBLDEmbedding`; around it what ``conf/model/realmlp.yaml`` sets.

    Args:
        layout: of the embedded row.
        d_hidden: widths of the hidden layers.
        dropout: dropout after each activation in the first half of the training; it fades in the second.
        activation: see :func:`~colonnade.nn.blocks.activation.activation`. The reference: selu for classes, mish for
            numbers.
        scale_lr_factor: of the learning rate of the front scale.
        activation_lr_factor: of the learning rate of the strengths of the activations.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_hidden: Sequence[int] = (256, 256, 256),
        dropout: float = 0.15,
        activation: str = "selu",
        scale_lr_factor: float = 6.0,
        activation_lr_factor: float = 0.1,
    ) -> None:
        super().__init__()
        fraction(dropout=dropout)
        if not d_hidden:
            raise ValueError("d_hidden=[] is empty: expected at least one width")
        for width in d_hidden:
            positive(d_hidden=width)
        self.scale = FeatureScale(layout.d_flat, lr_factor=scale_lr_factor)
        self.linears = nn.ModuleList(NTPLinear(*widths) for widths in zip((layout.d_flat, *d_hidden), d_hidden))
        self.activations = nn.ModuleList(
            nn.Sequential(
                ParametricActivation(width, activation=activation, lr_factor=activation_lr_factor),
                FlatCosDropout(dropout),
            )
            for width in d_hidden
        )
        self.d_out = d_hidden[-1]

    def start(self, x: Float[Tensor, "n d"], rows: Batch) -> None:
        """Begin each layer from what it is given for train rows ``(n, d_flat)``."""
        x = self.scale(x)
        for linear, activate in zip(self.linears, self.activations):
            assert isinstance(linear, NTPLinear)
            linear.start(x)
            x = activate(linear(x))

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_hidden[-1])``."""
        x = self.scale(x)
        for linear, activate in zip(self.linears, self.activations):
            x = activate(linear(x))
        return x.unsqueeze(1), None

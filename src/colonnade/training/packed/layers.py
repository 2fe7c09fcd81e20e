"""Layers: forms of layers that hold the weights of several members, and take their rows one member after the other.

Each stands where the layer of one network stood, is handed what that holds with a dimension of members before it, and
computes the same.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from colonnade.nn.blocks.feature_scale import FeatureScale
from colonnade.nn.blocks.ntp import NTPLinear
from colonnade.nn.blocks.parametric_activation import ParametricActivation
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.training.packed.products import product


class Products(Function):
    """``rows @ weight.mT + bias`` of each member; torch's own gradient of the weights lies in another order than they
    do, and is copied."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``(members, rows, d_in)``, ``(members, d_out, d_in)`` and ``(members, d_out)``."""
        ctx.save_for_backward(rows, weight)
        return product(rows, weight.mT, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Gradients of all three."""
        (grad,) = grads
        rows, weight = ctx.saved_tensors
        return (
            product(grad, weight) if ctx.needs_input_grad[0] else None,
            product(grad.mT, rows),
            grad.sum(1) if ctx.needs_input_grad[2] else None,
        )


class Scaled(Function):
    """``factor * rows @ weight + bias`` of each member."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, factor: float) -> Tensor:
        """``(members, rows, d_in)``, ``(members, d_in, d_out)`` and ``(members, d_out)``."""
        ctx.save_for_backward(rows, weight)
        ctx.factor = factor
        return torch.add(bias.unsqueeze(1), product(rows, weight), alpha=factor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Gradients of the tensors."""
        (grad,) = grads
        rows, weight = ctx.saved_tensors
        return (
            product(grad, weight.mT).mul_(ctx.factor) if ctx.needs_input_grad[0] else None,
            product(rows.mT, grad).mul_(ctx.factor),
            grad.sum(1),
            None,
        )


class MembersLinear(nn.Module):
    """``nn.Linear`` of each member, in one batched product."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.biased = layer.bias is not None

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, *, d_in)`` to ``(members * rows, *, d_out)``."""
        rows = x.reshape(len(self.weight), -1, x.shape[-1])
        out: Tensor = Products.apply(rows, self.weight, self.bias if self.biased else None)
        return out.view(*x.shape[:-1], -1)


class MembersNTP(nn.Module):
    """:class:`~colonnade.nn.blocks.ntp.NTPLinear` of each member."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: NTPLinear) -> None:
        super().__init__()
        self.factor = layer.factor

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, *, d_in)`` to ``(members * rows, *, d_out)``."""
        rows = x.reshape(len(self.weight), -1, x.shape[-1])
        out: Tensor = Scaled.apply(rows, self.weight, self.bias, self.factor)
        return out.view(*x.shape[:-1], -1)


class MembersScale(nn.Module):
    """:class:`~colonnade.nn.blocks.feature_scale.FeatureScale` of each member."""

    weight: Tensor

    def __init__(self, layer: FeatureScale) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, d)`` to the same."""
        return (_apart(x, self.weight) * self.weight.unsqueeze(1)).flatten(0, 1)


class MembersActivation(nn.Module):
    """:class:`~colonnade.nn.blocks.parametric_activation.ParametricActivation` of each member."""

    strength: Tensor

    def __init__(self, layer: ParametricActivation) -> None:
        super().__init__()
        self.function = layer.function

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, d)`` to the same."""
        rows = _apart(x, self.strength)
        return torch.lerp(rows, self.function(rows), self.strength.unsqueeze(1)).flatten(0, 1)


class MembersNorm(nn.Module):
    """``nn.BatchNorm1d`` of each member, with statistics of its own rows."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: nn.BatchNorm1d) -> None:
        super().__init__()
        self.momentum = layer.momentum
        self.eps = layer.eps

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, d)`` to the same; in training running statistics are moved in place."""
        assert self.momentum is not None
        members = len(self.weight)
        # The dimensions of all members, as if they were one wide row.
        wide = _apart(x, self.weight).transpose(0, 1).flatten(1)
        if self.training:
            self.num_batches_tracked.add_(1)
        out = F.batch_norm(
            wide,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.flatten(),
            self.bias.flatten(),
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return out.unflatten(1, (members, -1)).transpose(0, 1).reshape(x.shape)


class MembersEmbedding(nn.Module):
    """:class:`~colonnade.nn.embed.categorical.CategoricalEmbedding` of each member, in one look-up."""

    table: Tensor
    bias: Tensor | None

    def __init__(self, layer: CategoricalEmbedding) -> None:
        super().__init__()
        self.hide = layer.hide
        self.offset = layer.offset
        self.biased = layer.bias is not None

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, K)`` codes to ``(members * rows, K * d_embedding)``."""
        members, levels, width = self.table.shape
        first = torch.arange(0, members * levels, levels, device=x.device).view(-1, 1, 1)
        codes = (self.hide(x) + self.offset).view(members, -1, x.shape[-1]) + first
        out = F.embedding(codes, self.table.reshape(-1, width))
        if self.biased:
            assert self.bias is not None
            out = out + self.bias.unsqueeze(1)
        return out.flatten(-2).flatten(0, 1)


class Held(nn.Module):
    """The tensors of a layer whose work another form does."""

    weight: Tensor
    bias: Tensor | None
    low: Tensor
    high: Tensor


class MembersPiecewise(nn.Module):
    """:class:`~colonnade.nn.embed.piecewise.PiecewiseLinearEmbedding` of each member."""

    start_weight: Tensor
    start_bias: Tensor

    def __init__(self, layer: PiecewiseLinearEmbedding) -> None:
        super().__init__()
        self.encoding = Held()
        self.linear = Held()
        self.biased = layer.linear.bias is not None
        self.started = layer.start_weight is not None
        self.activation = layer.activation

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, F)`` to ``(members * rows, F * d_embedding)``."""
        bins = self.encoding
        number = _columns(x, bins.weight)
        assert bins.bias is not None
        filled = torch.addcmul(bins.bias.unsqueeze(2), bins.weight.unsqueeze(2), number)
        filled = filled.clamp(bins.low.unsqueeze(2), bins.high.unsqueeze(2))
        out = _each(filled, self.linear.weight, self.linear.bias if self.biased else None)
        if self.activation:
            out = torch.relu(out)
        if self.started:
            out = out + torch.addcmul(self.start_bias.unsqueeze(2), self.start_weight.unsqueeze(2), number)
        return _rows(out)


class MembersPBLD(nn.Module):
    """:class:`~colonnade.nn.embed.pbld.PBLDEmbedding` of each member."""

    frequency: Tensor
    phase: Tensor

    def __init__(self, layer: PBLDEmbedding) -> None:
        super().__init__()
        self.linear = Held()

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, F)`` to ``(members * rows, F * d_embedding)``."""
        number = _columns(x, self.phase)
        angle = torch.addcmul(self.phase.unsqueeze(2), 2 * math.pi * self.frequency.unsqueeze(2), number)
        return _rows(torch.cat([number, _each(angle.cos(), self.linear.weight, self.linear.bias)], -1))


def _apart(x: Tensor, weight: Tensor) -> Tensor:
    """``(members * rows, *)`` as ``(members, rows, *)``."""
    return x.unflatten(0, (len(weight), -1))


def _columns(x: Tensor, weight: Tensor) -> Tensor:
    """``(members * rows, F)`` as ``(members, F, rows, 1)``: what is large lies in the order of the products."""
    return _apart(x, weight).transpose(1, 2).unsqueeze(-1)


def _rows(out: Tensor) -> Tensor:
    """``(members, F, rows, d)`` as ``(members * rows, F * d)``."""
    return out.transpose(1, 2).flatten(2).flatten(0, 1)


def _each(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``(members, n, rows, d_in)`` times ``(members, n, d_in, d_out)``, in one batched product."""
    rows, weights = x.flatten(0, 1), weight.flatten(0, 1)
    out = torch.bmm(rows, weights) if bias is None else torch.baddbmm(bias.flatten(0, 1).unsqueeze(1), rows, weights)
    return out.unflatten(0, weight.shape[:2])

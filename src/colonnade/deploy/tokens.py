"""Tokens: layers over the tokens of a row as products of matrices, and attention in fewer passes."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.blocks.attention import SelfAttention

M = TypeVar("M", bound=nn.Module)


class RowsLinear(nn.Module):
    """A linear layer that takes the tokens of all rows as rows of one matrix.

    A product of matrices has an operator that adds the bias, one of blocks of matrices has not.

    Args:
        layer: whose weights are known.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """``(*, d_in)`` to ``(*, d_out)``."""
        return _rows(x, self.weight, self.bias)


class RowsNorm(nn.Module):
    """A norm of layers that takes the tokens of all rows as rows of one matrix.

    Of tokens that were just added onnxruntime makes one operator with the sum, several times as slow as both apart.

    Args:
        norm: whose weights are known.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """``(*, d)`` to the same."""
        rows = x if x.dim() != 3 else x.flatten(0, 1)
        normed: Tensor = self.norm(rows)
        return normed if x.dim() != 3 else normed.unflatten(0, (-1, x.shape[1]))


class RowsAttention(nn.Module):
    """A :class:`~colonnade.nn.blocks.attention.SelfAttention` whose queries, keys and values are products of their own,
    scaled by their weights, and whose keys are turned once.

    Args:
        part: whose weights are known.
    """

    @torch.no_grad()
    def __init__(self, part: SelfAttention) -> None:
        super().__init__()
        self.n_heads, self.out = part.n_heads, part.out
        scale = (part.qkv.in_features // part.n_heads) ** -0.5
        for name, weight, bias in zip("qkv", part.qkv.weight.chunk(3), part.qkv.bias.chunk(3)):
            factor = scale if name == "q" else 1.0
            self.register_buffer(f"{name}_weight", factor * weight)
            self.register_buffer(f"{name}_bias", factor * bias)

    def forward(self, x: Tensor, *, first_only: bool = False, mask: Tensor | None = None) -> Tensor:
        """See :meth:`~colonnade.nn.blocks.attention.SelfAttention.forward`."""
        asking = {"q": x[:, :1] if first_only else x, "k": x, "v": x}
        q, k, v = (
            _rows(of, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")).unflatten(
                -1, (self.n_heads, -1)
            )
            for name, of in asking.items()
        )
        scores = q.transpose(1, 2) @ k.permute(0, 2, 3, 1)
        if mask is not None:
            scores = scores + torch.where(mask, 0.0, -torch.inf)
        mixed = scores.softmax(-1) @ v.transpose(1, 2)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return out


def with_tokens(predictor: M) -> M:
    """A predictor whose layers over tokens are products of matrices.

    Args:
        predictor: it stays as it is; without such layers in it, it is what is returned.
    """
    # Not kinds that are derived from them, which may do something else.
    turned = replaced(
        predictor, SelfAttention, lambda part: RowsAttention(part) if type(part) is SelfAttention else part
    )
    turned = replaced(turned, nn.LayerNorm, RowsNorm)
    return replaced(turned, nn.Linear, lambda layer: RowsLinear(layer) if type(layer) is nn.Linear else layer)


def _rows(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if x.dim() != 3:
        return F.linear(x, weight, bias)
    return F.linear(x.flatten(0, 1), weight, bias).unflatten(0, (-1, x.shape[1]))

"""Forms: layers that hold the weights of several members, and take their rows one member after the other.

What has no weights treats each row by itself, and need not know whose it is: a network sees one long batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.blocks.dropout import Dropout, FlatCosDropout
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.codes import HideLevels
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.head import Head
from colonnade.nn.network import Network

# What treats each row by itself, whatever it holds.
ROWWISE = (
    Network,
    Identity,
    OneHot,
    MixedEmbedding,
    HideLevels,
    Linear,
    MLP,
    Dropout,
    FlatCosDropout,
    Head,
    nn.Sequential,
    nn.ReLU,
    nn.SELU,
    nn.SiLU,
    nn.Mish,
    nn.GELU,
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
        if self.biased:
            assert self.bias is not None
            out = torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.mT)
        else:
            out = torch.bmm(rows, self.weight.mT)
        return out.view(*x.shape[:-1], -1)


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


FORMS = {nn.Linear: MembersLinear, CategoricalEmbedding: MembersEmbedding}


def takes_rows_of_all(network: nn.Module) -> bool:
    """Whether everything in a network is row by row, or has a form for several members."""
    inner = (m for m in network.modules() if not isinstance(m, CategoricalEmbedding | nn.Linear))
    return all(type(module) in ROWWISE for module in inner)


def give_forms(network: nn.Module) -> None:
    """Put the forms into a network, in place; their weights are handed to them before each call."""
    for name, module in list(network.named_modules()):
        if type(module) in FORMS:
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, FORMS[type(module)](module))

"""Forms: which networks take the rows of several members as one long batch, and how they are made to.

What has no weights treats each row by itself, and need not know whose it is; layers with weights have a form of
:mod:`~colonnade.training.packed.layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.realmlp import RealMLP, RealMLPHead
from colonnade.nn.backbones.resnet import ResNet
from colonnade.nn.blocks.dropout import Dropout, FlatCosDropout
from colonnade.nn.blocks.feature_scale import FeatureScale
from colonnade.nn.blocks.ntp import NTPLinear
from colonnade.nn.blocks.parametric_activation import ParametricActivation
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.codes import HideLevels
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.nn.head import Head
from colonnade.nn.network import Network
from colonnade.training.packed.chain import MembersChain, chains
from colonnade.training.packed.draws import Drawn
from colonnade.training.packed.layers import (
    MembersActivation,
    MembersEmbedding,
    MembersLinear,
    MembersNorm,
    MembersNTP,
    MembersPBLD,
    MembersPiecewise,
    MembersScale,
)

# What treats each row by itself, whatever it holds.
ROWWISE = (
    Network,
    Identity,
    OneHot,
    MixedEmbedding,
    HideLevels,
    Linear,
    MLP,
    ResNet,
    RealMLP,
    Dropout,
    FlatCosDropout,
    Head,
    RealMLPHead,
    nn.Sequential,
    nn.ModuleList,
    nn.ReLU,
    nn.SELU,
    nn.SiLU,
    nn.Mish,
    nn.GELU,
)
FORMS: Mapping[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.Linear: MembersLinear,
    nn.BatchNorm1d: MembersNorm,
    NTPLinear: MembersNTP,
    FeatureScale: MembersScale,
    ParametricActivation: MembersActivation,
    CategoricalEmbedding: MembersEmbedding,
    PiecewiseLinearEmbedding: MembersPiecewise,
    PBLDEmbedding: MembersPBLD,
}


def takes_rows_of_all(network: nn.Module) -> bool:
    """Whether everything in a network is row by row, or has a form for several members."""
    if type(network) in FORMS:
        return True
    return type(network) in ROWWISE and all(takes_rows_of_all(module) for module in network.children())


def embeds_alike(network: Network) -> bool:
    """Whether a network embeds a row alike at all steps: its embeddings have no weights, and nothing random in them.

    Args:
        network: its random modules replaced where any member draws.
    """
    embeddings = [part for part in (network.numerical, network.categorical) if part is not None]
    modules = [module for part in embeddings for module in part.modules()]
    return not any(isinstance(m, Drawn) or list(m.parameters(recurse=False)) for m in modules)


def give_forms(network: nn.Module) -> None:
    """Put the forms into a network, in place; their weights are handed to them before each call."""
    for name, module in list(network.named_children()):
        if type(module) in FORMS:
            setattr(network, name, FORMS[type(module)](module))
        else:
            give_forms(module)
            if isinstance(module, nn.Sequential) and chains(module):
                setattr(network, name, MembersChain(module))

"""The contract of backbones, over every backbone and embedding that the package defines."""

from __future__ import annotations

from functools import partial

import pytest

from colonnade.nn import backbones, embed
from colonnade.nn.backbones.autoint import AutoInt
from colonnade.nn.backbones.dcnv2 import DCNv2
from colonnade.nn.backbones.excelformer import ExcelFormer
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.backbones.gandalf import Gandalf
from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.modernnca import ModernNCA
from colonnade.nn.backbones.node import NODE
from colonnade.nn.backbones.realmlp import RealMLP, RealMLPHead
from colonnade.nn.backbones.resnet import ResNet
from colonnade.nn.backbones.saint import SAINT
from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.backbones.tabr import TabR
from colonnade.nn.backbones.tabtransformer import TabTransformer
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.gated import GatedEmbedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.perceptron import PerceptronEmbedding
from colonnade.nn.embed.periodic import PeriodicEmbedding
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.nn.head import Given
from colonnade.nn.network import Network
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import CHECKS, backbones_in, check_export

N_BACKBONES = 16
N_EMBEDDINGS = 10

TABM = partial(TabM, n_members=3, d_block=8, n_blocks=2)
TABNET = partial(TabNet, d_decision=4, d_attention=4, n_steps=2, virtual_batch=8)
TOKENS = {
    "numerical": partial(LinearEmbedding, d_embedding=8),
    "categorical": partial(CategoricalEmbedding, d_embedding=8, bias=True),
}
CASES = {
    "linear": {"backbone": Linear},
    "mlp": {"backbone": partial(MLP, d_hidden=[8, 8]), "categorical": MixedEmbedding},
    "mlp_plr": {"backbone": partial(MLP, d_hidden=[8]), "numerical": partial(PeriodicEmbedding, d_embedding=4)},
    "mlp_plr_lite": {
        "backbone": partial(MLP, d_hidden=[8], activation="silu"),
        "numerical": partial(PeriodicEmbedding, d_embedding=4, lite=True),
    },
    "mlp_pwl_a": {
        "backbone": partial(MLP, d_hidden=[8]),
        "numerical": partial(PiecewiseLinearEmbedding, d_embedding=4, n_bins=6, version="A", activation=True),
        "categorical": partial(CategoricalEmbedding, d_embedding=3),
    },
    "mlp_identity": {"backbone": partial(MLP, d_hidden=[8]), "numerical": Identity, "categorical": OneHot},
    "resnet": {"backbone": partial(ResNet, d_block=8)},
    "ft_transformer": {"backbone": partial(FTTransformer, d_block=8, n_heads=2, n_blocks=2), **TOKENS},
    "tabnet": {"backbone": TABNET, "categorical": partial(CategoricalEmbedding, d_embedding=1)},
    "tabnet_wide": {"backbone": TABNET},
    "tabm": {"backbone": TABM, "numerical": partial(PiecewiseLinearEmbedding, d_embedding=4, n_bins=6)},
    "tabm_mini": {"backbone": partial(TABM, variant="mini")},
    "tabm_packed": {"backbone": partial(TABM, variant="packed")},
    "realmlp": {
        "backbone": partial(RealMLP, d_hidden=[8, 8], activation="mish"),
        "numerical": PBLDEmbedding,
        "categorical": partial(MixedEmbedding, start="normal", decay=True),
        "head": partial(RealMLPHead, clamp=True),
    },
    "dcnv2": {
        "backbone": partial(DCNv2, d_block=8, n_cross=2),
        "categorical": partial(CategoricalEmbedding, d_embedding=3),
    },
    "dcnv2_stacked": {"backbone": partial(DCNv2, d_block=8, structure="stacked")},
    "autoint": {
        "backbone": partial(AutoInt, d_block=8, n_heads=2, n_blocks=2),
        "numerical": partial(LinearEmbedding, d_embedding=8, bias=False),
        "categorical": partial(CategoricalEmbedding, d_embedding=8),
    },
    "gandalf": {
        "backbone": partial(Gandalf, n_stages=2, dropout=0.1),
        "categorical": partial(CategoricalEmbedding, d_embedding=3),
    },
    "tabr": {
        "network": RetrievalNetwork,
        "backbone": partial(TabR, d_block=8, n_neighbours=5, context_dropout=0.1, hidden_dropout=0.1),
        "numerical": partial(PeriodicEmbedding, d_embedding=4, lite=True),
    },
    "modernnca": {"network": RetrievalNetwork, "backbone": partial(ModernNCA, d_block=8), "head": Given},
    "node": {"backbone": partial(NODE, n_layers=2, n_trees=6, depth=3)},
    "excelformer": {
        "backbone": partial(ExcelFormer, d_block=8, n_blocks=2, n_heads=2, start_scale=1.0),
        "numerical": partial(GatedEmbedding, d_embedding=8),
        "categorical": TOKENS["categorical"],
    },
    "tabtransformer": {
        "backbone": partial(TabTransformer, d_token=8, n_blocks=2, n_heads=2),
        "categorical": TOKENS["categorical"],
    },
    "saint": {
        "network": partial(RetrievalNetwork, max_context=20),
        "backbone": partial(SAINT, d_block=8, n_blocks=2, n_heads=2, d_hidden=16),
        "numerical": partial(PerceptronEmbedding, d_embedding=8, d_hidden=5),
        "categorical": TOKENS["categorical"],
    },
}


def build(case, spec):
    options = dict(CASES[case])
    return options.pop("network", Network)(spec=spec, **options)


def innermost(part):
    while isinstance(part, partial):
        part = part.func
    return part


def test_every_backbone_is_covered():
    # Those of sequences have a contract of their own.
    found = [backbone for backbone in backbones_in(backbones) if not issubclass(backbone, SequenceBackbone)]
    assert len(found) == N_BACKBONES, f"found {[b.__name__ for b in found]}"
    assert {innermost(case["backbone"]) for case in CASES.values()} == set(found)


def test_every_embedding_is_covered():
    import importlib
    import pkgutil

    for info in pkgutil.walk_packages(embed.__path__, embed.__name__ + "."):
        importlib.import_module(info.name)
    found = {cls for cls in Embedding.__subclasses__() if cls.__module__.startswith(embed.__name__)}
    assert len(found) == N_EMBEDDINGS, f"found {sorted(e.__name__ for e in found)}"
    used = {innermost(case[key]) for case in CASES.values() for key in ("numerical", "categorical") if key in case}
    assert used == found


# An export takes seconds: one-hot columns leave with mlp, and what follows them is that of tabnet.
SPARED = {("tabnet_wide", check_export)}


@pytest.mark.parametrize(
    ("check", "case"),
    [(check, case) for check in CHECKS for case in CASES if (case, check) not in SPARED],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_contract(case, check):
    check(partial(build, case))

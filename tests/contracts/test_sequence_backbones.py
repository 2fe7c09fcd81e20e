"""The contract of backbones of sequences, over every one that the package defines."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from colonnade.nn import backbones
from colonnade.nn.backbones.forecast import ForecastBackbone
from colonnade.nn.backbones.inception_time import InceptionTime
from colonnade.nn.backbones.lite import Lite
from colonnade.nn.backbones.mingru import MinGru
from colonnade.nn.backbones.recurrent import Recurrent
from colonnade.nn.backbones.resnet1d import ResNet1d
from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.backbones.sequence_transformer import SequenceTransformer
from colonnade.nn.backbones.tcn import Tcn
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.sequence import SequenceNetwork
from colonnade.testing.backbones import backbones_in
from colonnade.testing.sequences import CHECKS, check_export, check_order, check_padding

SMALL = partial(InceptionTime, n_modules=3, n_filters=4, kernels=[6, 3], bottleneck=4)
CASES = {
    "gru": {"backbone": partial(Recurrent, d_hidden=8)},
    "lstm": {"backbone": partial(Recurrent, cell="lstm", d_hidden=8, pooling="mean")},
    "gru_last": {"backbone": partial(Recurrent, d_hidden=8, pooling="last")},
    "gru_ahead": {"backbone": partial(Recurrent, d_hidden=8, bidirectional=False, pooling="last", n_layers=1)},
    "resnet1d": {"backbone": partial(ResNet1d, d_blocks=[4, 6, 6])},
    "inception_time": {"backbone": SMALL},
    "inception_time_five": {"backbone": partial(SMALL, n_members=3)},
    "lite": {"backbone": partial(Lite, n_filters=4, kernel=8, fixed=[2, 4], n_members=2)},
    "tcn": {"backbone": partial(Tcn, d_hidden=6, dilations=[1, 2, 4])},
    "tcn_attention": {"backbone": partial(Tcn, d_hidden=6, dilations=[1, 2, 4], pooling="attention")},
    "mingru": {"backbone": partial(MinGru, d_block=8, n_blocks=1, d_state=6, d_hidden=8)},
    "mingru_ahead": {
        "backbone": partial(MinGru, d_block=8, n_blocks=1, d_state=6, d_hidden=8, bidirectional=False, pooling="last")
    },
    "transformer": {"backbone": partial(SequenceTransformer, d_block=8, n_blocks=2, n_heads=2, d_hidden=16)},
    "transformer_embedded": {
        "backbone": partial(SequenceTransformer, d_block=6, n_blocks=1, n_heads=3, d_hidden=8),
        "numerical": partial(LinearEmbedding, d_embedding=4),
    },
}


def build(case, spec):
    return SequenceNetwork(spec=spec, **CASES[case])


def test_every_backbone_of_sequences_is_covered():
    found = {backbone for backbone in backbones_in(backbones) if issubclass(backbone, SequenceBackbone)}
    # Those that forecast have a contract of their own.
    found -= {backbone for backbone in found if issubclass(backbone, ForecastBackbone)}
    assert len(found) == 7, f"found {[b.__name__ for b in found]}"
    used = {case["backbone"].func for case in CASES.values()}
    assert used == found


class Careless(SequenceBackbone):
    """Sees its padding."""

    def __init__(self, *, layout):
        super().__init__()
        self.d_out = 4
        self.linear = torch.nn.Linear(layout.d_flat, 4)

    def forward(self, x, mask=None):
        return self.linear(x).mean(1, keepdim=True), None


@pytest.mark.parametrize(
    ("check", "said"),
    [(check_padding, "a longer padding gives other outputs"), (check_order, "turned round gives the same output")],
)
def test_what_breaks_the_contract_is_found(check, said):
    with pytest.raises(AssertionError, match=said):
        check(lambda spec: SequenceNetwork(spec=spec, backbone=Careless))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(case, check):
    check(partial(build, case))


# One of each backbone, and both cells of the recurrent one.
EXPORTED = {(c["backbone"].func, c["backbone"].keywords.get("cell")): name for name, c in reversed(CASES.items())}


@pytest.mark.parametrize("case", EXPORTED.values())
def test_export(case):
    check_export(partial(build, case))

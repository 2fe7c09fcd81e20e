import pytest
import rtdl_revisiting_models as rtdl
import tabm
import torch

from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 3), n_num=1)


@pytest.mark.parametrize("training", [True, False])
def test_against_rtdl_and_tabm(training):
    ours = MLP(layout=LAYOUT, d_hidden=[6, 6], dropout=0.0 if training else 0.5).train(training)
    x = torch.randn(5, 4)
    for theirs in (
        rtdl.MLP(d_in=4, d_out=None, n_blocks=2, d_block=6, dropout=0.0),
        tabm.MLPBackbone(d_in=4, n_blocks=2, d_block=6, dropout=0.0),
    ):
        ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
        torch.testing.assert_close(ours(x)[0][:, 0], theirs(x), rtol=1e-5, atol=1e-6)


def test_begins_like_rtdl():
    torch.manual_seed(0)
    ours = MLP(layout=LAYOUT, d_hidden=[6, 6])
    torch.manual_seed(0)
    theirs = rtdl.MLP(d_in=4, d_out=None, n_blocks=2, d_block=6, dropout=0.0)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_widths_may_differ():
    backbone = MLP(layout=LAYOUT, d_hidden=(8, 3, 5))
    assert backbone(torch.randn(2, 4))[0].shape == (2, 1, 5)
    assert backbone.d_out == 5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"d_hidden": []}, "d_hidden=[] is empty: expected at least one width; for none, use the linear model"),
        ({"d_hidden": [4, 0]}, "d_hidden=0 is out of range: expected d_hidden > 0"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
        ({"activation": "tanhh"}, "activation='tanhh' is unknown: expected one of gelu, mish, relu, selu, silu"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        MLP(layout=LAYOUT, **options)
    assert str(error.value) == text

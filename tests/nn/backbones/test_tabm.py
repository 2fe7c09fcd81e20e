from functools import partial

import pytest
import rtdl_num_embeddings
import tabm
import torch

from colonnade.core.batch import Batch
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.blocks.ensemble import BatchEnsembleLinear
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_spec

FLAT = Layout(names=("a", "b", "c"), widths=(1, 1, 3), n_num=2)


def copy(ours: Network, theirs: tabm.TabM) -> None:
    with torch.no_grad():
        if theirs.num_module is not None:
            pwl = theirs.num_module
            weight = torch.zeros_like(ours.numerical.linear.weight)
            n_used = pwl.linear.weight.shape[1]
            weight[:, : n_used - 1] = pwl.linear.weight[:, :-1]
            weight[:, -1] = pwl.linear.weight[:, -1]
            ours.numerical.linear.weight.copy_(weight)
            ours.numerical.start_weight.copy_(pwl.linear0.weight)
            ours.numerical.start_bias.copy_(pwl.linear0.bias)
        for mine, published in (
            (ours.backbone, theirs.backbone),
            (ours.head, theirs.output),
        ):
            # The published package lists the scale of "mini" last.
            state = published.state_dict()
            ordered = [state.pop("affine.weight")] if "affine.weight" in state else []
            ordered += list(state.values())
            mine.load_state_dict(dict(zip(mine.state_dict(), ordered, strict=True)))


@pytest.mark.filterwarnings("ignore:.*has just two bin edges:UserWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("variant", ["plain", "mini", "packed"])
def test_against_tabm(variant, embedded, training):
    torch.manual_seed(0)
    spec = toy_spec(n_num=3, cardinalities=(5, 4), out_shape=(2,))
    numerical = {}
    if embedded:
        bins = rtdl_num_embeddings.compute_bins(spec.num_sample, 8)
        pwl = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, 4, activation=False, version="B")
        torch.nn.init.normal_(pwl.linear.weight)
        numerical = {"num_embeddings": pwl}
    rate = 0.0 if training else 0.3
    theirs = tabm.TabM.make(
        n_num_features=3,
        cat_cardinalities=[4, 3],
        d_out=2,
        k=4,
        d_block=8,
        dropout=rate,
        arch_type="tabm" if variant == "plain" else f"tabm-{variant}",
        **numerical,
    ).train(training)
    ours = Network(
        spec=spec,
        backbone=partial(TabM, variant=variant, n_members=4, d_block=8, n_blocks=2 if embedded else 3, dropout=rate),
        **({"numerical": partial(PiecewiseLinearEmbedding, d_embedding=4, n_bins=8)} if embedded else {}),
    ).train(training)
    copy(ours, theirs)
    num = torch.randn(6, 3)
    cat = torch.tensor([[0, 0], [1, 1], [2, 2], [3, 0], [1, 2], [2, 1]])
    # The published one-hot has no unknown: our code 1.
    ours_cat = torch.where(cat > 0, cat + 1, cat)
    torch.testing.assert_close(ours(Batch(num=num, cat=ours_cat)).raw, theirs(num, cat), rtol=1e-5, atol=1e-5)


def first_scale(backbone):
    layer = backbone.layers[0]
    return (layer.r if isinstance(layer, BatchEnsembleLinear) else layer.weight).detach()


@pytest.mark.parametrize("variant", ["plain", "mini"])
def test_members_begin_apart_before_the_first_linear_layer(variant):
    torch.manual_seed(0)
    signs = first_scale(TabM(layout=FLAT, variant=variant, d_block=8))
    assert signs.unique().tolist() == [-1, 1]
    assert (signs[:, 2:] == signs[:, 2:3]).all()
    embedded = Layout(names=FLAT.names, widths=(4, 4, 3), n_num=2)
    normal = first_scale(TabM(layout=embedded, variant=variant, d_block=8))
    assert len(normal.unique()) == 32 * 3
    assert set(first_scale(TabM(layout=embedded, variant=variant, start="random-signs")).unique().tolist()) == {-1, 1}


def test_later_scales_begin_with_one():
    backbone = TabM(layout=FLAT, d_block=8, n_blocks=2)
    assert (backbone.layers[3].r == 1).all()
    assert (backbone.layers[3].s == 1).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"variant": "maxi"}, "variant='maxi' is unknown: expected one of mini, packed, plain"),
        ({"n_members": 1}, "n_members=1 is out of range: expected n_members >= 2; for one member, use the mlp model"),
        ({"n_members": 0}, "n_members=0 is out of range: expected n_members > 0"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        TabM(layout=FLAT, **options)
    assert str(error.value) == text

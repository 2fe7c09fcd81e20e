"""Integrated gradients against closed forms, through real networks."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.explain.kit import scores, sources

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.explain.game import Game
from colonnade.explain.gradients import integrated_gradients
from colonnade.explain.masks import attention, tabnet_masks
from colonnade.explain.options import method_for
from colonnade.explain.scores import log_odds
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.network import Network

SPEC = BatchSpec(
    num_names=("p", "q", "q.missing"),
    cat_names=("c", "d"),
    cardinalities=(12, 4),
    target_kind="real",
    target_names=("y",),
    target_mean=(0.0,),
    target_scale=(1.0,),
    out_shape=(1,),
)
NAMES = (*SPEC.num_names, *SPEC.cat_names)


def made(backbone, **embeddings):
    torch.manual_seed(0)
    return Network(spec=SPEC, backbone=backbone, **embeddings).eval()


def batch(n, seed):
    g = torch.Generator().manual_seed(seed)
    cat = torch.stack([torch.randint(c, (n,), generator=g) for c in SPEC.cardinalities], 1)
    return Batch(num=torch.randn(n, 3, generator=g), cat=cat)


def game(network, of_raw=None):
    """The first two encoded columns come from raw columns 1 and 0, the third from 0."""
    by = sources(2, cat=2)
    by = replace(by, num=torch.tensor([1, 0, 0]))
    how = scores() if of_raw is None else replace(scores(), of_raw=of_raw)
    return Game(network, how, by)


def zeros(n):
    return torch.zeros(n, 1, dtype=torch.int64)


def test_a_linear_network_is_weight_times_distance_from_the_mean():
    network = made(Linear)
    rows, others = batch(9, 1), batch(40, 2)
    found = integrated_gradients(game(network), network, NAMES, rows, others, zeros(9), steps=4)
    weight = network.head.linear.weight.detach()[0]
    moved = (network.embed(rows) - network.embed(others).mean(0)) * weight
    widths = network.layout.widths
    p, q, flag, c, d = moved.split(widths, dim=1)
    expected = torch.cat([q + flag, p, c.sum(1, keepdim=True), d.sum(1, keepdim=True)], 1)
    torch.testing.assert_close(found.values[..., 0], expected.double(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.base[:, 0], game(network)(others).mean().expand(9), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        made(
            partial(MLP, d_hidden=[32], dropout=0.5, activation="silu"),
            categorical=partial(MixedEmbedding, max_one_hot=3),
        ),
        made(
            partial(TabM, n_members=4, d_block=16, n_blocks=1), categorical=partial(CategoricalEmbedding, d_embedding=4)
        ),
    ],
    ids=["mlp", "tabm"],
)
def test_contributions_add_up(network):
    """Also where the embedding gives its columns in another order, and of log-odds over several members."""
    rows, others = batch(20, 1), batch(30, 2)
    of_all = game(network, log_odds)
    found = integrated_gradients(of_all, network, NAMES, rows, others, zeros(20), steps=128)
    delta = of_all(rows) - found.base - found.values.sum(1)
    size = found.values.abs().sum(1).mean()
    assert delta.abs().max() < 0.02 * size
    # A row that differs from the mean embedding in nothing but one column has all there.
    lone = replace(rows, cat=rows.cat.clone())
    lone.cat[:, 0] = 3
    moved = integrated_gradients(of_all, network, NAMES, lone, rows, zeros(20), steps=8).values
    same = integrated_gradients(of_all, network, NAMES, lone, lone.rows(0, 1), zeros(20), steps=8).values
    assert moved[:, 2].abs().min() > 0
    assert same[:, 2].abs().max() == 0


def test_masks_are_shares_by_raw_column():
    network = made(
        partial(TabNet, n_steps=2, virtual_batch=16), categorical=partial(CategoricalEmbedding, d_embedding=1)
    )
    rows = batch(11, 1)
    found = tabnet_masks(game(network), network, NAMES, rows, 2)
    with torch.no_grad():
        total = network.backbone.masks(network.embed(rows)).total
    share = total / total.sum(1, keepdim=True)
    assert found.base is None
    assert found.values.shape == (11, 4, 2)
    torch.testing.assert_close(found.values[:, 0, 1], (share[:, 1] + share[:, 2]).double(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.values.sum(1), torch.ones(11, 2, dtype=torch.float64))


def test_attention_is_that_of_the_summary_token():
    """Its weights make of the values what the layer gives; they are averaged, and summed to raw columns."""
    network = made(
        partial(FTTransformer, d_block=8, n_blocks=2, n_heads=2),
        numerical=partial(LinearEmbedding, d_embedding=8),
        categorical=partial(CategoricalEmbedding, d_embedding=8),
    )
    rows = batch(7, 1)
    backbone, tokens = network.backbone, network.embed(rows).unflatten(-1, (5, 8))
    layer = backbone.blocks[1].attention
    value = layer.qkv(tokens)[..., 16:].unflatten(-1, (2, 4))
    mixed = torch.einsum("bhn,bnhd->bhd", layer.of_first(tokens), value).flatten(1)
    torch.testing.assert_close(layer.out(mixed), layer(tokens, first_only=True)[:, 0], atol=1e-6, rtol=1e-5)
    found = attention(game(network), network, NAMES, rows, 1)
    share = backbone.attention(tokens)
    torch.testing.assert_close(found.values[:, 0, 0], (share[:, 1] + share[:, 2]).double(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.values.sum(1), torch.ones(7, 1, dtype=torch.float64))
    assert found.base is None
    assert method_for("attention", network, SPEC) == "attention"
    assert method_for("auto", network, SPEC) == "integrated_gradients"

from functools import partial

import pytest
import torch
from torch import nn

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.autoint import AutoInt
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_batch, toy_spec

LAYOUT = Layout(names=("a", "b", "c"), widths=(8, 8, 8), n_num=2)


def test_against_torchs_attention():
    torch.manual_seed(0)
    backbone = AutoInt(layout=LAYOUT, d_block=8, n_blocks=2, n_heads=2, attention_dropout=0.5, residual_dropout=0.5)
    x = expected = torch.randn(5, 3, 8)
    for block in backbone.eval().blocks:
        nn.init.normal_(block.attention.qkv.bias)
        nn.init.normal_(block.norm.weight)
        # Heads side by side, with nothing that mixes them.
        published = nn.MultiheadAttention(8, 2, batch_first=True)
        with torch.no_grad():
            published.in_proj_weight.copy_(block.attention.qkv.weight)
            published.in_proj_bias.copy_(block.attention.qkv.bias)
            published.out_proj.weight.copy_(torch.eye(8))
            published.out_proj.bias.zero_()
        attended, _ = published.eval()(expected, expected, expected)
        expected = torch.relu(block.norm(expected @ block.linear.weight.T + attended))
    torch.testing.assert_close(backbone(x)[0], expected.reshape(5, 1, 24), rtol=1e-5, atol=1e-5)
    assert backbone.d_out == 24


def test_numbers_have_no_bias():
    spec = toy_spec(n_num=2, cardinalities=(5,))
    network = Network(
        spec=spec,
        numerical=partial(LinearEmbedding, d_embedding=8, bias=False),
        categorical=partial(CategoricalEmbedding, d_embedding=8),
        backbone=partial(AutoInt, d_block=8, n_heads=2),
    )
    batch = toy_batch(spec)
    batch.num.zero_()
    assert not network.embed(batch)[:, :16].any()


def test_faults():
    with pytest.raises(ConfigError, match="AutoInt takes one token of width model.backbone.d_block=16 per column"):
        AutoInt(layout=LAYOUT, d_block=16)
    with pytest.raises(ValueError, match="n_heads=3 does not divide the token width 8"):
        AutoInt(layout=LAYOUT, d_block=8, n_heads=3)
    with pytest.raises(ValueError, match="residual_dropout=1.0 is out of range"):
        AutoInt(layout=LAYOUT, d_block=8, residual_dropout=1.0)

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.excelformer import ExcelFormer
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.gated import GatedEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_batch, toy_spec

LAYOUT = Layout(names=("a", "b"), widths=(8, 8), n_num=1)


def network(spec, **options) -> Network:
    return Network(
        spec=spec,
        numerical=partial(GatedEmbedding, d_embedding=8),
        categorical=partial(CategoricalEmbedding, d_embedding=8, bias=True),
        backbone=partial(ExcelFormer, d_block=8, n_blocks=2, n_heads=2, start_scale=1.0, **options),
    )


def by_columns(net: Network, x: torch.Tensor) -> torch.Tensor:
    """Tokens after the blocks."""
    for block in net.backbone.blocks:
        x = block(x, net.backbone.mask)
    return x


def test_a_column_hears_only_those_that_tell_at_least_as_much():
    spec = toy_spec()
    rows = spec.train_rows
    # The second number tells most, then the first category; the others are noise.
    rows.target = 3 * rows.num[:, 1:2] + rows.cat[:, :1]
    net = network(spec).eval()
    assert net.backbone.mask.sum(1).tolist()[1] == 1
    assert net.backbone.mask.sum(1).tolist()[4] == 2
    x = net.embed(toy_batch(spec, 3)).unflatten(-1, (6, -1))
    with torch.no_grad():
        before = by_columns(net, x)
        for moved in range(6):
            other = x.clone()
            other[:, moved] += 1
            heard = (by_columns(net, other) != before).any(-1).any(0)
            assert heard.tolist() == net.backbone.mask[:, moved].tolist()


def test_the_mask_comes_with_the_state():
    spec = toy_spec()
    net = network(spec)
    bare = network(spec.bare())
    assert bare.backbone.mask.all()
    assert not net.backbone.mask.all()
    bare.load_state_dict(net.state_dict())
    assert torch.equal(bare.backbone.mask, net.backbone.mask)


def test_classes_are_ranked_too():
    spec = toy_spec()
    spec.train_rows.target = spec.train_rows.cat[:, 1]
    net = network(replace(spec, target_kind="class", classes=tuple("abcdefghijklmn"), out_shape=(14,)))
    assert net.backbone.mask.sum(1).tolist()[5] == 1


def test_it_begins_near_its_embedding():
    torch.manual_seed(0)
    fresh = ExcelFormer(layout=LAYOUT, d_block=8, n_heads=2)
    x = torch.randn(5, 2, 8)
    after = x
    for block in fresh.eval().blocks:
        after = block(after, fresh.mask)
    assert (after - x).abs().max() < 0.05


def test_faults():
    with pytest.raises(ValueError, match="start_scale=0.0 is out of range: expected start_scale > 0"):
        ExcelFormer(layout=LAYOUT, d_block=8, n_heads=2, start_scale=0.0)
    with pytest.raises(ConfigError, match="takes one token of width model.backbone.d_block=4 per column"):
        ExcelFormer(layout=LAYOUT, d_block=4, n_heads=2)

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_batch, toy_spec


def test_linear_network_is_a_linear_map():
    spec = toy_spec(n_num=3, cardinalities=(4,))
    network = Network(spec=spec, backbone=Linear)
    batch = toy_batch(spec)
    levels = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]])[batch.cat[:, 0]]
    expected = torch.cat([batch.num, levels], 1) @ network.head.linear.weight.T + network.head.linear.bias
    torch.testing.assert_close(network(batch).raw[:, 0], expected)


def test_forward_is_embed_and_forward_embedded():
    spec = toy_spec()
    network = Network(spec=spec, backbone=MLP, categorical=MixedEmbedding).eval()
    batch = toy_batch(spec)
    embedded = network.embed(batch)
    assert torch.equal(network.forward_embedded(embedded).raw, network(batch).raw)


def test_segments_of_the_layout_belong_to_their_columns():
    # cat1 has few levels and cat0 many: mixed embeddings put cat1 first.
    spec = toy_spec(n_num=2, cardinalities=(30, 4))
    network = Network(spec=spec, backbone=Linear, categorical=partial(MixedEmbedding, d_embedding=5)).eval()
    assert network.layout.names == ("num0", "num1", "cat1", "cat0")
    assert network.layout.widths == (1, 1, 3, 5)
    batch = toy_batch(spec)
    before = network.embed(batch).split(network.layout.widths, dim=1)
    batch.cat[:, 0] = (batch.cat[:, 0] + 1) % 30
    after = network.embed(batch).split(network.layout.widths, dim=1)
    changed = [name for name, a, b in zip(network.layout.names, before, after) if not torch.equal(a, b)]
    assert changed == ["cat0"]


def test_no_features():
    with pytest.raises(ConfigError, match="no features to learn from: see data.exclude and the columns"):
        Network(spec=toy_spec(n_num=0, cardinalities=()), backbone=MLP)


def test_sequences_need_another_model():
    with pytest.raises(ConfigError, match="`data` gives sequences, but model.backbone takes the rows of a table"):
        Network(spec=replace(toy_spec(), n_steps=12), backbone=MLP)


def test_token_backbone_over_flat_embeddings_names_both_keys():
    with pytest.raises(ConfigError) as error:
        Network(spec=toy_spec(), backbone=FTTransformer)
    for key in ("model.numerical", "model.categorical", "model.backbone.d_block"):
        assert key in str(error.value)


def test_token_backbone_over_tokens_of_another_width():
    with pytest.raises(ConfigError, match=r"d_block=192 per column: model.categorical gives width 64; set") as error:
        Network(
            spec=toy_spec(),
            backbone=FTTransformer,
            numerical=partial(LinearEmbedding, d_embedding=192),
            categorical=partial(CategoricalEmbedding, d_embedding=64),
        )
    assert "model.numerical gives" not in str(error.value)

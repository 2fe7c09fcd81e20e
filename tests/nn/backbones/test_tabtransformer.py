import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.tabtransformer import TabTransformer
from colonnade.nn.layout import Layout

# Two numbers and three categories.
LAYOUT = Layout(names=tuple("abcde"), widths=(1, 1, 8, 8, 8), n_num=2)


def test_against_torch():
    """Its encoder layer computes the same, but for the gate: the feed-forward part is taken out of both."""
    torch.manual_seed(0)
    ours = TabTransformer(layout=LAYOUT, d_token=8, n_blocks=2, n_heads=2).eval()
    x = torch.randn(4, 26)
    tokens = x[:, 2:].view(4, 3, 8)
    with torch.no_grad():
        for layer in ours.layers:
            theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, batch_first=True).eval()
            theirs.self_attn.in_proj_weight.copy_(layer.attention.qkv.weight)
            theirs.self_attn.in_proj_bias.copy_(layer.attention.qkv.bias)
            theirs.self_attn.out_proj.load_state_dict(layer.attention.out.state_dict())
            theirs.norm1.load_state_dict(layer.norm.state_dict())
            theirs.linear2.weight.zero_()
            theirs.linear2.bias.zero_()
            layer.ffn.output.weight.zero_()
            layer.ffn.output.bias.zero_()
            tokens = theirs(tokens)
        expected = ours.mlp(torch.cat([x[:, :2], tokens.flatten(1)], 1))
        torch.testing.assert_close(ours(x)[0][:, 0], expected)


def test_the_feed_forward_part_is_gated():
    layer = TabTransformer(layout=LAYOUT, d_token=8, n_blocks=1).layers[0].ffn.eval()
    x = torch.randn(5, 8)
    value, gate = layer.input(layer.norm(x)).chunk(2, -1)
    torch.testing.assert_close(layer(x), layer.output(value * torch.nn.functional.gelu(gate)))


def test_numbers_alone_are_a_perceptron():
    numbers = Layout(names=("a", "b"), widths=(1, 1), n_num=2)
    net = TabTransformer(layout=numbers, mlp_factors=(3, 2))
    assert len(net.layers) == 0
    assert net.d_out == 4
    x = torch.randn(5, 2)
    assert torch.equal(net(x)[0][:, 0], net.mlp(x))


def test_faults():
    with pytest.raises(ConfigError) as error:
        TabTransformer(layout=LAYOUT, d_token=16)
    assert str(error.value) == (
        "TabTransformer takes one token of width model.backbone.d_token=16 per category: set "
        "model.categorical.d_embedding to the same value, with CategoricalEmbedding"
    )
    with pytest.raises(ValueError, match=r"mlp_factors=\[4, 0\] is out of range: expected one or more, each >= 1"):
        TabTransformer(layout=LAYOUT, d_token=8, mlp_factors=(4, 0))

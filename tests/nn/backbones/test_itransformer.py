"""iTransformer against its formula, built of torch's own encoder layers."""

import pytest
import torch
from torch import nn

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.itransformer import ITransformer
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 2), n_num=2)
WINDOW = Window(context=10, horizon=3, channels=(1, 0))
SMALL = {"d_block": 8, "n_blocks": 2, "n_heads": 2, "d_hidden": 12}


def torchs(layer):
    """The same layer as torch has it: post-norm, GELU."""
    twin = nn.TransformerEncoderLayer(8, 2, 12, 0.0, activation="gelu", batch_first=True, norm_first=False)
    twin.load_state_dict(
        {
            "self_attn.in_proj_weight": layer.attention.qkv.weight,
            "self_attn.in_proj_bias": layer.attention.qkv.bias,
            "self_attn.out_proj.weight": layer.attention.out.weight,
            "self_attn.out_proj.bias": layer.attention.out.bias,
            "linear1.weight": layer.input.weight,
            "linear1.bias": layer.input.bias,
            "linear2.weight": layer.output.weight,
            "linear2.bias": layer.output.bias,
            "norm1.weight": layer.attention_norm.weight,
            "norm1.bias": layer.attention_norm.bias,
            "norm2.weight": layer.ffn_norm.weight,
            "norm2.bias": layer.ffn_norm.bias,
        }
    )
    return twin.train()


def test_the_formula():
    model = ITransformer(layout=LAYOUT, window=WINDOW, **SMALL).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    x = torch.randn(5, 10, 4)
    mean, scale = x.mean(1), (x.var(1, correction=0) + 1e-5).sqrt()
    tokens = torch.stack([model.embed((x[:, :, i] - mean[:, [i]]) / scale[:, [i]]) for i in range(4)], dim=1)
    for layer in model.layers:
        tokens = torchs(layer)(tokens)
    ahead = model.forecast(model.norm(tokens))
    found = model(x)[0].view(5, 3, 2)
    for place, channel in enumerate((1, 0)):
        torch.testing.assert_close(found[:, :, place], ahead[:, channel] * scale[:, [channel]] + mean[:, [channel]])


def test_a_column_that_is_not_forecast_is_looked_at():
    model = ITransformer(layout=LAYOUT, window=WINDOW, **SMALL).eval()
    x = torch.randn(5, 10, 4)
    other = x.clone()
    other[..., 3] = torch.randn(5, 10)
    assert not torch.allclose(model(x)[0], model(other)[0])


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="n_blocks=0 is out of range: expected n_blocks > 0"):
        ITransformer(layout=LAYOUT, window=WINDOW, n_blocks=0)
    with pytest.raises(ValueError, match="n_heads=3 does not divide the token width 8"):
        ITransformer(layout=LAYOUT, window=WINDOW, **{**SMALL, "n_heads": 3})

"""TiDE against its formula, with and without covariates."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.tide import Block, TiDE
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 2), n_num=2)
SMALL = {"d_hidden": 6, "d_decoded": 4, "d_temporal": 5, "d_covariate": 2}


def block(part, x):
    """A residual block, out of its weights."""
    hidden = F.linear(x, part.hidden.weight, part.hidden.bias).clamp(min=0)
    out = F.linear(hidden, part.output.weight, part.output.bias) + F.linear(x, part.skip.weight, part.skip.bias)
    if not isinstance(part.norm, torch.nn.LayerNorm):
        return out
    centred = out - out.mean(-1, keepdim=True)
    spread = (out.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    return centred / spread * part.norm.weight + part.norm.bias


@pytest.mark.parametrize("channels", [(1,), (0, 1, 2, 3)])
def test_the_formula(channels):
    window = Window(context=8, horizon=3, channels=channels)
    model = TiDE(layout=LAYOUT, window=window, n_encoder=2, **SMALL).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    x = torch.randn(5, 8, 4)
    found = model(x)[0].view(5, 3, len(channels))
    others = [i for i in range(4) if i not in channels]
    assert model.covariates == others
    for k, channel in enumerate(channels):
        past = x[:, :, channel]
        mean, scale = past.mean(1, keepdim=True), (past.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        weight, bias = model.norm.log_weight[k].exp(), model.norm.bias[k]
        normal = (past - mean) / scale * weight + bias
        known = [normal]
        if others:
            known += [block(model.project, x[:, t, others]) for t in range(8)]
        h = torch.cat(known, dim=1)
        for part in model.dense:
            h = block(part, h)
        ahead = torch.cat([block(model.temporal, h[:, 4 * t : 4 * t + 4]) for t in range(3)], dim=1)
        ahead = ahead + F.linear(normal, model.skip.weight, model.skip.bias)
        torch.testing.assert_close(found[:, :, k], (ahead - bias) / weight * scale + mean)


def test_a_norm_behind_the_last_block_leaves_the_linear_map():
    window = Window(context=8, horizon=3, channels=(0,))
    model = TiDE(layout=LAYOUT, window=window, norm_last=True, **SMALL).eval()
    with torch.no_grad():
        model.temporal.norm.bias.fill_(0.25)
    x = torch.randn(5, 8, 4)
    normal, location, scale = model.norm(x[:, :, 0].unsqueeze(1))
    linear = (model.skip(normal) + 0.25) * scale + location
    torch.testing.assert_close(model(x)[0], linear.flatten(1).unsqueeze(1))
    model(x)[0].square().sum().backward()
    assert not any(p.grad.any() for p in model.dense.parameters())


def test_there_are_as_many_blocks_as_asked_for():
    window = Window(context=8, horizon=3, channels=(0,))
    model = TiDE(layout=LAYOUT, window=window, n_encoder=2, n_decoder=3, **SMALL)
    assert [(part.hidden.in_features, part.output.out_features) for part in model.dense] == [
        (8 + 8 * 2, 6),
        (6, 6),
        (6, 6),
        (6, 6),
        (6, 3 * 4),
    ]


def test_dropout_leaves_the_skip_alone():
    part = Block(3, 4, 2, dropout=0.999, norm=False).train()
    x = torch.randn(50, 3)
    same = (part(x) == part.skip(x)).float().mean()
    assert same > 0.9


def test_arguments_out_of_range():
    window = Window(context=8, horizon=3, channels=(0,))
    with pytest.raises(ValueError, match="n_decoder=0 is out of range: expected n_decoder > 0"):
        TiDE(layout=LAYOUT, window=window, n_decoder=0)
    with pytest.raises(ValueError, match="dropout=1.0 is out of range: expected 0 <= dropout < 1"):
        TiDE(layout=LAYOUT, window=window, dropout=1.0)

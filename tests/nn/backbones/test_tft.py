"""Parts of the Temporal Fusion Transformer against their formulas, and what may look at what."""

import numpy as np
import pytest
import torch

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.tft import TFT, SharedAttention
from colonnade.nn.blocks.gated_residual import GatedResidual, VariableSelection
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c", "s"), widths=(1, 1, 2, 1), n_num=2)


def plain(layer, x):
    """A linear layer, of one column or of each."""
    if isinstance(layer, torch.nn.Identity):
        return x
    if layer.weight.dim() == 2:
        return x @ layer.weight.T.numpy() + (0 if layer.bias is None else layer.bias.numpy())
    return np.einsum("bni,nio->bno", x, layer.weight.numpy()) + layer.bias.numpy()


def norm(layer, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.eps)
    return x * layer.weight.numpy() + layer.bias.numpy()


def gated(layer, x, context=None):
    """Equations 2 to 5 of the paper."""
    h = plain(layer.input, x) + (0 if context is None else plain(layer.context, context))
    h = plain(layer.hidden, np.where(h > 0, h, np.exp(h) - 1))
    value, gate = np.split(plain(layer.gate.linear, h), 2, axis=-1)
    return norm(layer.gate.norm, plain(layer.skip, x) + value / (1 + np.exp(-gate)))


@torch.no_grad()
def test_gated_residuals_and_selection():
    layer = GatedResidual(6, 5, 3, d_context=2, dropout=0.5).eval()
    x, context = torch.randn(4, 6), torch.randn(4, 2)
    np.testing.assert_allclose(layer(x, context), gated(layer, x.numpy(), context.numpy()), atol=1e-5)
    select = VariableSelection(3, 4, d_context=2, dropout=0.5).eval()
    x = torch.randn(5, 3, 4)
    context = torch.randn(5, 2)
    score = gated(select.weigh, x.numpy().reshape(5, 12), context.numpy())
    weight = np.exp(score) / np.exp(score).sum(1, keepdims=True)
    expected = (weight[:, :, None] * gated(select.each, x.numpy())).sum(1)
    np.testing.assert_allclose(select(x, context), expected, atol=1e-5)


@torch.no_grad()
def test_heads_share_their_values():
    layer = SharedAttention(6, n_heads=2, n_steps=3, dropout=0.5).eval()
    x = torch.randn(2, 7, 6)
    query, key, value = (plain(part, x.numpy()) for part in (layer.query, layer.key, layer.value))
    expected = np.zeros((2, 3, 6))
    for row in range(2):
        for ahead in range(3):
            weights = np.zeros(7)
            for head in (slice(0, 3), slice(3, 6)):
                score = np.exp(key[row, : 5 + ahead, head] @ query[row, 4 + ahead, head] / np.sqrt(3))
                weights[: 5 + ahead] += score / score.sum() / 2
            expected[row, ahead] = plain(layer.out, weights @ value[row])
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


@torch.no_grad()
def test_a_step_ahead_knows_none_behind_it():
    window = Window(context=6, horizon=4, channels=(0,), known=(2, 3), static=(4,))
    model = TFT(layout=LAYOUT, window=window, d_hidden=8, n_heads=2).eval()
    x, future = torch.randn(3, 6, 5), torch.randn(3, 4, 2)
    later = future.clone()
    later[:, 2:] += 1
    one, other = (model(x, None, known)[0][:, 0] for known in (future, later))
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert (one[:, 2:] != other[:, 2:]).all()
    assert (model.past, model.known, model.static) == ([[0], [1], [2, 3]], [2, 3], [[4]])


@torch.no_grad()
def test_it_forecasts_what_the_published_parts_do():
    """Numbers of neuralforecast 3.3.0: its encoders of static and of temporal covariates and its decoder, with these
    weights copied over (its attention has no biases of query, key and value, and its norms were given the eps of torch,
    1e-5, in place of 1e-3), fed with the target normalised by its window."""
    layout = Layout(names=("o", "k", "y", "s", "r"), widths=(1,) * 5, n_num=5)
    window = Window(context=6, horizon=3, channels=(2,), known=(1,), static=(3, 4))
    model = TFT(layout=layout, window=window, d_hidden=4, n_heads=2).double().eval()
    for i, p in enumerate(model.parameters()):
        count = torch.arange(p.numel(), dtype=torch.float64)
        p.copy_(0.5 * torch.sin(1.7 * i + 0.9 * count).reshape(p.shape))
    for part in (model.attention.query, model.attention.key, model.attention.value):
        part.bias.zero_()
    x = torch.cos(0.7 * torch.arange(60, dtype=torch.float64)).reshape(2, 6, 5)
    x[..., 3:] = x[:, :1, 3:]
    future = torch.cos(1.3 * torch.arange(6, dtype=torch.float64)).reshape(2, 3, 1)
    theirs = [0.6265489989889661, 0.5790681342558027, 0.654524185537736]
    theirs += [0.29417881062099327, 0.26796208156110246, 0.26129088753750096]
    np.testing.assert_allclose(model(x, None, future)[0].flatten(), theirs, rtol=1e-9)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="n_heads=3 does not divide d_hidden=8"):
        TFT(layout=LAYOUT, window=Window(context=6, horizon=4, channels=(0,)), d_hidden=8, n_heads=3)

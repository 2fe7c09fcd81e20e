"""TSMixer against its formula."""

import pytest
import torch

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.tsmixer import TSMixer
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 1), n_num=3)
WINDOW = Window(context=7, horizon=4, channels=(2, 0))


def norm(part, x):
    """Of each step of each column over the batch, by what was seen in training; ``x (B, C, T)``."""
    mean, var = part.running_mean.view(3, 7), part.running_var.view(3, 7)
    return (x - mean) / (var + 1e-5).sqrt() * part.weight.view(3, 7) + part.bias.view(3, 7)


def test_the_formula():
    model = TSMixer(layout=LAYOUT, window=WINDOW, n_blocks=2, d_hidden=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        for _ in range(3):
            model(torch.randn(16, 7, 3) * 2 + 1)
    model.eval()
    x = torch.randn(5, 7, 3)
    mean, scale = x.mean(1)[:, :, None], (x.var(1, correction=0) + 1e-5).sqrt()[:, :, None]
    weight, bias = model.instance.log_weight.exp(), model.instance.bias
    h = (x.transpose(1, 2) - mean) / scale * weight + bias
    for block in model.blocks:
        h = h + (norm(block.time_norm, h) @ block.time.weight.T + block.time.bias).clamp(min=0)
        inner = torch.einsum("bct,hc->bht", norm(block.column_norm, h), block.input.weight) + block.input.bias[:, None]
        h = h + torch.einsum("bht,ch->bct", inner.clamp(min=0), block.output.weight) + block.output.bias[:, None]
    ahead = ((h @ model.forecast.weight.T + model.forecast.bias) - bias) / weight * scale + mean
    torch.testing.assert_close(model(x)[0].view(5, 4, 2), ahead[:, [2, 0]].transpose(1, 2))


def test_norms_are_of_batches_over_each_step_of_each_column():
    model = TSMixer(layout=LAYOUT, window=WINDOW, n_blocks=1)
    assert model.blocks[0].time_norm.num_features == 3 * 7


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="n_blocks=0 is out of range: expected n_blocks > 0"):
        TSMixer(layout=LAYOUT, window=WINDOW, n_blocks=0)

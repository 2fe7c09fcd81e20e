"""N-HiTS against its formula: pooling, backcasts, and straight lines between few values."""

import numpy as np
import pytest
import torch

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.nhits import NHiTS
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 1), n_num=3)
WINDOW = Window(context=10, horizon=6, channels=(2, 0))


def between(knots, n):
    """Straight lines between values that stand in the middle of equal stretches, level beyond the first and last."""
    at = (np.arange(len(knots)) + 0.5) * n / len(knots) - 0.5
    return np.interp(np.arange(n), at, knots)


def test_the_formula():
    model = NHiTS(layout=LAYOUT, window=WINDOW, pool=(3, 1), downsample=(2, 6), n_blocks=2, d_hidden=5)
    x = torch.randn(4, 10, 3)
    found = model(x)[0].view(4, 6, 2).detach().numpy()
    assert [block.knots.out_features for block in model.blocks] == [3, 3, 1, 1]
    for row in range(4):
        for place, channel in enumerate((2, 0)):
            past = x[row, :, channel]
            ahead, rest = np.full(6, past[-1].item()), past.flip(0)
            for block in model.blocks:
                pooled = torch.stack([piece.max() for piece in rest.split(block.pool)])
                hidden = pooled
                for layer in block.hidden:
                    hidden = (layer[0].weight @ hidden + layer[0].bias).clamp(min=0)
                ahead = ahead + between(block.knots(hidden).detach().numpy(), 6)
                if block is not model.blocks[-1]:
                    rest = rest - block.backcast(hidden)
            np.testing.assert_allclose(found[row, :, place], ahead, atol=1e-5)


def test_the_last_block_gives_no_backcast():
    model = NHiTS(layout=LAYOUT, window=WINDOW)
    assert [block.backcast is None for block in model.blocks] == [False, False, True]
    assert [(block.pool, block.knots.out_features) for block in model.blocks] == [(2, 1), (2, 3), (1, 6)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pool": (2, 1)}, r"pool=\[2, 1\] and downsample=\[4, 2, 1\]: a number above 0 of each for every stack"),
        ({"pool": (2, 0, 1)}, r"pool=\[2, 0, 1\] and downsample=\[4, 2, 1\]: a number above 0"),
        ({"n_hidden": 0}, "n_hidden=0 is out of range: expected n_hidden > 0"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        NHiTS(layout=LAYOUT, window=WINDOW, **options)


def test_each_number_of_a_step_has_lines_of_its_own():
    window = Window(context=10, horizon=12, channels=(0,), roles=("level", "free"))
    model = NHiTS(layout=LAYOUT, window=window, pool=(1,), downsample=(3,), d_hidden=5)
    x = torch.randn(2, 10, 3)
    (block,) = model.blocks
    knots = block.knots(block.hidden(x[:, :, 0].flip(1))).detach().numpy()
    found = model(x)[0][:, 0].detach().numpy()
    for row in range(2):
        np.testing.assert_allclose(found[row, :6], between(knots[row, :2], 6) + x[row, -1, 0].item(), atol=1e-5)
        np.testing.assert_allclose(found[row, 6:], between(knots[row, 2:], 6), atol=1e-5)

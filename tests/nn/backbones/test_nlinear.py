"""NLinear against its formula."""

import torch

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.nlinear import NLinear
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 1), n_num=3)
WINDOW = Window(context=8, horizon=5, channels=(2, 0))


def test_the_formula():
    model = NLinear(layout=LAYOUT, window=WINDOW)
    x = torch.randn(4, 8, 3)
    found, penalty = model(x)
    assert penalty is None
    assert found.shape == (4, 1, model.d_out) == (4, 1, 10)
    # Step by step, all channels of each.
    steps = found.view(4, 5, 2)
    for place, channel in enumerate((2, 0)):
        last = x[:, -1:, channel]
        expected = (x[:, :, channel] - last) @ model.linear.weight.T + model.linear.bias + last
        torch.testing.assert_close(steps[:, :, place], expected)


def test_a_shift_of_the_past_is_a_shift_of_the_forecast():
    model = NLinear(layout=LAYOUT, window=WINDOW)
    x = torch.randn(4, 8, 3)
    torch.testing.assert_close(model(x + 7)[0], model(x)[0] + 7)

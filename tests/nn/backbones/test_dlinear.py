"""DLinear against its formula."""

import pytest
import torch

from colonnade.nn.backbones.dlinear import DLinear
from colonnade.nn.backbones.forecast import Window
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)
WINDOW = Window(context=8, horizon=3, channels=(1,))


def test_the_formula():
    model = DLinear(layout=LAYOUT, window=WINDOW, kernel=5)
    x = torch.randn(4, 8, 2)
    past = x[:, :, 1]
    around = torch.cat([past[:, :1]] * 2 + [past] + [past[:, -1:]] * 2, dim=1)
    trend = torch.stack([around[:, i : i + 5].mean(1) for i in range(8)], dim=1)
    expected = model.trend(trend) + model.rest(past - trend)
    torch.testing.assert_close(model(x)[0][:, 0], expected)


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="kernel=4 is even: expected an odd number, which has a middle"):
        DLinear(layout=LAYOUT, window=WINDOW, kernel=4)

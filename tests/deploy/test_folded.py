"""The maps of DLinear as one, against the two of them."""

import pytest
import torch
from torch import nn

from colonnade.deploy.folded import FoldedDLinear, with_folded
from colonnade.nn.backbones.dlinear import DLinear
from colonnade.nn.backbones.forecast import Window
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)


@pytest.mark.parametrize("roles", [(), ("level", "log_scale")])
def test_one_map_gives_what_two_give(roles):
    torch.manual_seed(0)
    window = Window(context=12, horizon=3 * max(1, len(roles)), channels=(1,), roles=roles, steps=3)
    part = DLinear(layout=LAYOUT, window=window, kernel=5)
    model = nn.Sequential(part)
    (folded,) = with_folded(model)
    assert isinstance(folded, FoldedDLinear)
    x = torch.randn(4, 12, 2) + 10
    torch.testing.assert_close(folded(x)[0], part(x)[0], rtol=1e-5, atol=1e-5)
    assert model[0] is part

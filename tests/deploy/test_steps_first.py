"""Recurrences as loops over the steps, against all steps at once."""

import pytest
import torch
from torch import nn

from colonnade.deploy.steps_first import StepsFirst, with_steps_first
from colonnade.nn.backbones.mingru import MinGru
from colonnade.nn.layout import Layout


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_loop_gives_what_doubling_gives(bidirectional):
    torch.manual_seed(0)
    layout = Layout(names=("a", "b"), widths=(1, 1), n_num=2)
    part = MinGru(layout=layout, d_block=6, n_blocks=2, d_state=5, d_hidden=7, bidirectional=bidirectional).eval()
    (loop,) = with_steps_first(nn.Sequential(part))
    assert isinstance(loop, StepsFirst)
    x, lengths = torch.randn(3, 9, 2), torch.tensor([[9], [4], [1]])
    with torch.no_grad():
        for mask in (None, torch.arange(9) < lengths):
            torch.testing.assert_close(loop(x, mask)[0], part(x, mask)[0])

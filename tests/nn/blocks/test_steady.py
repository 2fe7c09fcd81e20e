"""Numbers beside a forecast that do not depend on the past."""

import torch

from colonnade.nn.blocks.steady import RATE, Steady
from colonnade.nn.pace import Pace


def test_the_same_numbers_stand_behind_all_levels():
    steady = Steady(2)
    with torch.no_grad():
        steady.value.copy_(torch.tensor([3.0, -1.0]))
    found = steady(torch.arange(6.0).view(1, 2, 3))
    assert found.tolist() == [[[0.0, 1.0, 2.0, 3.0, -1.0], [3.0, 4.0, 5.0, 3.0, -1.0]]]
    assert steady.paces() == {"value": Pace(lr=RATE, decay=0.0)}


def test_where_there_are_none_nothing_is_added():
    levels = torch.randn(2, 3, 4)
    assert Steady(0)(levels) is levels
    assert list(Steady(0).parameters()) == []
    assert Steady(0).paces() == {}

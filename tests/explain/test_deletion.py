"""Deletion curves of functions whose curves are known."""

import numpy as np
import pytest
import torch
from tests.explain.kit import game, rows

from colonnade.explain.deletion import deletion
from colonnade.report.faithfulness import faithfulness

WEIGHT = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64)


def linear(x):
    return (x @ WEIGHT)[:, None]


def curve(values, *, signed=True, x=None, b=None):
    x = rows(30, 4) if x is None else x
    b = rows(5, 4, seed=1) if b is None else b
    return deletion(
        game(linear, 4), x, b, torch.zeros(len(x), dtype=torch.int64), values, signed=signed, orders=50, seed=0
    )


def test_of_a_linear_function():
    """Deleting in the right order moves a score by the sorted contributions; at random, by equal shares of all."""
    x, b = rows(30, 4), rows(5, 4, seed=1)
    values = (x.num - b.num.mean(0)) * WEIGHT
    found = curve(values, x=x, b=b)
    side = values.sum(1).sign()
    ordered = (values * side[:, None]).sort(1, descending=True).values.cumsum(1).mean(0)
    assert found.deleted.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found.ordered, [0, *ordered], atol=1e-12)
    np.testing.assert_allclose(found.shuffled, np.arange(5) / 4 * ordered[-1].item(), atol=0.25)
    areas = [np.trapezoid(points, dx=0.25) for points in (found.ordered, found.shuffled)]
    assert found.ratio == pytest.approx(areas[0] / areas[1])
    assert 1 < found.low < found.ratio < found.high


def test_what_is_wrong_is_no_better_than_chance():
    x, b = rows(30, 4), rows(5, 4, seed=1)
    true = (x.num - b.num.mean(0)) * WEIGHT
    assert curve(-true, x=x, b=b).ratio < 0.5
    shuffled = torch.rand(30, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert curve(shuffled, x=x, b=b, signed=False).ratio == pytest.approx(1, abs=0.25)


def test_random_orders_that_move_away_from_the_others_are_no_measure():
    """Of (x0 - x1)^2 at equal numbers, one of them taken away moves the score up, and both bring it back."""
    x, b = rows(6, 2), rows(2, 2, seed=1)
    x.num[:, :], b.num[:, :] = 5.0, 0.0
    apart = game(lambda x: (x[:, :1] - x[:, 1:]) ** 2, 2)
    found = deletion(apart, x, b, torch.zeros(6, dtype=torch.int64), torch.ones(6, 2), signed=True, orders=4, seed=0)
    assert np.isnan([found.ratio, found.low, found.high]).all()
    assert found.areas == (-12.5, -12.5)
    assert faithfulness(found) == "-12.5 by contribution, -12.5 in random order, of which there is no multiple"


def test_without_a_sign_the_largest_go_first():
    """Rows far from the background on one side: magnitude is support."""
    x, b = rows(30, 4), rows(5, 4, seed=1)
    x.num = x.num.abs() + 5
    size = ((x.num - b.num.mean(0)) * WEIGHT).abs()
    unsigned, signed = curve(size, x=x, b=b, signed=False), curve(size, x=x, b=b)
    np.testing.assert_allclose(unsigned.ordered, signed.ordered)


def test_of_many_columns_some_points_are_looked_at():
    found = deletion(
        game(lambda x: x.sum(1, keepdim=True), 50),
        rows(3, 50),
        rows(2, 50, seed=1),
        torch.zeros(3, dtype=torch.int64),
        rows(3, 50).num,
        signed=True,
        orders=1,
        seed=0,
    )
    assert len(found.deleted) == 21
    assert found.deleted[[0, 1, -1]].tolist() == [0, 2, 50]

"""Shapley values and interactions against all coalitions."""

import pytest
import torch
from tests.explain.kit import brute_force, first, game, rows

from colonnade.explain.game import take
from colonnade.explain.shapley import interactions, permutation_shapley


def additive(x):
    return torch.stack([2 * x[:, 0] + x[:, 1] ** 3 - x[:, 2].abs(), x[:, 1] - 3 * x[:, 3]], 1)


def pairwise(x):
    return (x[:, 0] * x[:, 1] + torch.sin(x[:, 2]) * x[:, 3] + x[:, 0])[:, None]


def tangled(x):
    return (x[:, 0] * x[:, 1] * x[:, 2] + torch.relu(x[:, 1] + x[:, 3] - x[:, 0]) - x[:, 3] ** 2)[:, None]


def test_an_additive_function_is_attributed_exactly():
    """f_j(x_j) - mean f_j(b_j), for an output of each row's own."""
    explained, others = rows(5, 4), rows(7, 4, seed=1)
    choice = torch.tensor([[0], [1], [1], [0], [1]])
    found = permutation_shapley(game(additive, 4, outputs=2), explained, others, choice, seed=0)
    x, b = explained.num, others.num
    zero, three = torch.zeros(5), torch.zeros(7)
    of_x = torch.stack([torch.stack([2 * x[:, 0], x[:, 1] ** 3, -x[:, 2].abs(), zero], 1),
                        torch.stack([zero, x[:, 1], zero, -3 * x[:, 3]], 1)])  # fmt: skip
    of_b = torch.stack([torch.stack([2 * b[:, 0], b[:, 1] ** 3, -b[:, 2].abs(), three], 1).mean(0),
                        torch.stack([three, b[:, 1], three, -3 * b[:, 3]], 1).mean(0)])  # fmt: skip
    expected = (of_x - of_b[:, None])[choice[:, 0], torch.arange(5)]
    torch.testing.assert_close(found.values[..., 0], expected)
    torch.testing.assert_close(found.base, additive(b).mean(0)[choice])


def test_pairs_are_exact_with_one_order_and_its_reverse():
    explained, others = rows(6, 4), rows(3, 4, seed=1)
    found = permutation_shapley(game(pairwise, 4), explained, others, first(6), seed=0)
    expected = torch.stack([brute_force(pairwise, x, others.num) for x in explained.num])
    torch.testing.assert_close(found.values, expected)


def test_more_orders_come_nearer_to_all_coalitions_and_always_add_up():
    explained, others = rows(4, 4), rows(3, 4, seed=1)
    expected = torch.stack([brute_force(tangled, x, others.num) for x in explained.num])
    of_all = game(tangled, 4)
    far = []
    for times in (1, 100):
        many = take(others, torch.arange(3).repeat(times))
        found = permutation_shapley(of_all, explained, many, first(4), seed=0)
        torch.testing.assert_close(found.values.sum(1) + found.base, of_all(explained))
        far.append((found.values - expected).abs().max().item())
    assert far[1] < min(0.06, far[0] / 2)


def test_a_column_that_reaches_nothing_gets_nothing():
    found = permutation_shapley(game(pairwise, 5), rows(3, 5), rows(2, 5, seed=1), first(3), seed=0)
    assert found.values[:, 4].abs().max() == 0
    alone = permutation_shapley(game(lambda x: x**2, 1), rows(3, 1), rows(2, 1, seed=1), first(3), seed=0)
    torch.testing.assert_close(alone.values[:, 0], rows(3, 1).num ** 2 - (rows(2, 1, seed=1).num ** 2).mean(0))


def test_interactions_of_a_product_and_of_none():
    """(x0 - b0)(x1 - b1) whatever the others do, averaged over the background."""
    explained, others = rows(5, 4), rows(6, 4, seed=1)
    found = interactions(game(pairwise, 4), explained, others, first(5), [(0, 1), (0, 2), (2, 3)], seed=0)
    x, b = explained.num[:, None], others.num
    torch.testing.assert_close(found[:, 0, 0], ((x[..., 0] - b[:, 0]) * (x[..., 1] - b[:, 1])).mean(1))
    assert found[:, 1].abs().max() < 1e-12
    by_hand = ((x[..., 2].sin() - b[:, 2].sin()) * (x[..., 3] - b[:, 3])).mean(1)
    torch.testing.assert_close(found[:, 2, 0], by_hand)


def test_interactions_average_over_coalitions_by_their_weights():
    """For x0 x1 x2 the index of the pair (0, 1) is (x0 - b0)(x1 - b1) times the mean of x2 and b2."""
    explained, others = rows(3, 3), rows(1, 3, seed=1)
    many = take(others, torch.zeros(800, dtype=torch.int64))
    found = interactions(game(lambda x: x.prod(1, keepdim=True), 3), explained, many, first(3), [(0, 1)], seed=0)
    x, b = explained.num, others.num[0]
    expected = (x[:, 0] - b[0]) * (x[:, 1] - b[1]) * (x[:, 2] + b[2]) / 2
    assert found[:, 0, 0].tolist() == pytest.approx(expected.tolist(), abs=0.15 * expected.abs().max().item())

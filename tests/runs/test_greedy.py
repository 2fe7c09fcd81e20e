"""Greedy selection against exhaustive search, and what it does with what is undefined."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from colonnade.runs.greedy import select


def problem(n, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=200)
    members = truth + rng.normal(size=(n, 200)) * rng.uniform(0.5, 1.5, (n, 1))
    return lambda weights: float(np.mean((weights @ members - truth) ** 2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_comes_near_the_best_of_all_ensembles_of_eight(seed):
    cost = problem(4, seed)
    counts = (np.bincount(chosen, minlength=4) for chosen in combinations_with_replacement(range(4), 8))
    best = min(cost(c / 8) for c in counts)
    weights = select(cost, 4, rounds=50)
    assert weights.sum() == pytest.approx(1)
    assert cost(weights) <= best * 1.001
    assert cost(weights) < min(cost(row) for row in np.eye(4))


def test_it_never_does_worse_than_the_best_member():
    assert select(lambda w: abs(w[1] - 1), 3).tolist() == [0, 1, 0]


def test_bags_average_random_parts():
    cost = problem(6)
    weights = select(cost, 6, bags=10, share=0.5, seed=1)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).sum() > (select(cost, 6, rounds=0) > 0).sum()
    assert not np.array_equal(weights, select(cost, 6, bags=10, seed=2))


def test_what_is_undefined_is_worst():
    assert select(lambda w: float("nan") if w[0] > 0 else 1.0, 2).tolist() == [0, 1]
    assert select(lambda w: float("nan"), 2).tolist() == [1, 0]


@pytest.mark.parametrize("options", [{"rounds": -1}, {"bags": -1}, {"share": 0}])
def test_ranges(options):
    with pytest.raises(ValueError, match="must be at least 1, rounds="):
        select(problem(2), 2, **options)

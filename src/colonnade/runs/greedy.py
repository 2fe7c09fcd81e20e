"""Greedy: which members of an ensemble count how much, by selecting them one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def select(
    cost: Callable[[np.ndarray], float],
    n: int,
    *,
    rounds: int = 50,
    bags: int = 0,
    share: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML 2004).

    Sorted initialisation: the members are taken in the order of their own cost, as many of them as together cost least.
    Then, ``rounds`` times, the member is added that lowers the cost most, also one that is there already. Of all
    ensembles on the way the best is kept, the earlier where two are equal.

    Args:
        cost: of weights ``(n,)`` that add up to 1; less is better, NaN is worst.
        n: number of members.
        rounds: selections after the initialisation, from 0.
        bags: repeat with that many random parts of the members and average the weights, against overfitting on few
            rows; 0: once, with all of them.
        share: of the members that are in a bag, in (0, 1].
        seed: of the bags.

    Returns:
        Weights ``(n,)``, not negative, with sum 1.

    Raises:
        ValueError: out of range.
    """
    if n < 1 or rounds < 0 or bags < 0 or not 0 < share <= 1:
        raise ValueError(
            f"n={n} must be at least 1, rounds={rounds} and bags={bags} 0 or more, share={share} in (0, 1]"
        )
    costs = [_known(cost(row)) for row in np.eye(n)]
    if bags == 0:
        return _selected(cost, costs, range(n), rounds)
    rng = np.random.default_rng(seed)
    size = max(1, math.ceil(share * n))
    drawn = [np.sort(rng.choice(n, size, replace=False)).tolist() for _ in range(bags)]
    return np.mean([_selected(cost, costs, members, rounds) for members in drawn], axis=0)


def _selected(
    cost: Callable[[np.ndarray], float], costs: Sequence[float], members: Sequence[int], rounds: int
) -> np.ndarray:
    """Weights from some of the members."""
    order = sorted(members, key=lambda i: costs[i])
    counts = np.zeros(len(costs))
    best, least = counts, math.inf
    for i in order:
        counts = counts + np.eye(len(costs))[i]
        found = _known(cost(counts / counts.sum()))
        if found < least:
            best, least = counts, found
    if math.isinf(least):
        # Nothing tells one from another.
        best = np.eye(len(costs))[order[0]]
    counts = best
    for _ in range(rounds):
        tried = [counts + np.eye(len(costs))[i] for i in members]
        found_each = [_known(cost(one / one.sum())) for one in tried]
        cheapest = int(np.argmin(found_each))
        counts = tried[cheapest]
        if found_each[cheapest] < least:
            best, least = counts, found_each[cheapest]
    weights: np.ndarray = best / best.sum()
    return weights


def _known(value: float) -> float:
    return math.inf if math.isnan(value) else value

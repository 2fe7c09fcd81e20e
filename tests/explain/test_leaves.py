"""Shapley values of trees against all coalitions."""

import numpy as np
import pytest
import torch
from tests.explain.kit import brute_force

from colonnade.baselines.trees import Nodes, Trees
from colonnade.explain.leaves import tree_values


def grown(n_trees, n_features, *, depth=5, width=2, seed=0):
    """Trees of random splits, features of which come again on a way, with missing values that go either way."""
    rng = np.random.default_rng(seed)
    fields = {name: [] for name in ("feature", "threshold", "left", "right", "missing")}
    root = []

    def grow(left):
        node = len(fields["feature"])
        leaf = left == 0 or (left < depth and rng.random() < 0.2)
        for name, value in (
            ("feature", 0 if leaf else rng.integers(n_features)),
            ("threshold", 0 if leaf else rng.normal()),
            ("left", node),
            ("right", node),
            ("missing", rng.random() < 0.5),
        ):
            fields[name].append(value)
        if not leaf:
            fields["left"][node] = grow(left - 1)
            fields["right"][node] = grow(left - 1)
        return node

    for _ in range(n_trees):
        root.append(grow(depth))
    found = {name: np.array(values) for name, values in fields.items()}
    found["threshold"] = found["threshold"].astype(np.float32)
    leaf = found["left"] == np.arange(len(found["left"]))
    value = np.where(leaf[:, None], rng.normal(size=(len(leaf), width)), 0)
    return Trees(Nodes(value=value, **found), np.array(root), np.zeros(n_trees, np.int64), np.zeros(width))


@pytest.mark.parametrize("n_features", [4, 40])
def test_every_coalition_says_the_same(n_features):
    """Of four players, also where forty features are theirs."""
    trees = grown(6, n_features)
    player = np.random.default_rng(1).integers(0, 4, n_features) if n_features > 4 else np.arange(4)
    rows, others = (np.random.default_rng(seed).normal(size=(5, n_features)).astype(np.float32) for seed in (2, 3))
    rows[0, 1], others[2, 0] = np.nan, np.nan
    weight = np.broadcast_to(np.eye(2), (5, 5, 2, 2))
    found = tree_values(trees, player, 4, rows, others, weight)
    for i in range(5):
        # Each player keeps its number of the row (0) or of the other row.
        def function(kept, i=i):
            mixed = np.where(kept.numpy()[:, player], rows[i], others)
            return torch.from_numpy(trees.sums(mixed))

        expected = brute_force(function, torch.ones(4, dtype=torch.bool), torch.zeros(5, 4, dtype=torch.bool))
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


def test_many_players_add_up_and_pairs_have_their_own_weights():
    """Forty players: bits of three words."""
    trees = grown(20, 40, depth=9, width=1)
    rows, others = (np.random.default_rng(seed).normal(size=(n, 40)).astype(np.float32) for seed, n in ((2, 7), (3, 3)))
    weight = np.random.default_rng(4).normal(size=(7, 3, 1, 1))
    found = tree_values(trees, np.arange(40), 50, rows, others, weight)
    apart = trees.sums(rows)[:, None] - trees.sums(others)[None]
    assert found.shape == (7, 50, 1)
    assert np.abs(found[:, 40:]).max() == 0
    np.testing.assert_allclose(found.sum(1), (weight[..., 0] * apart).mean(1), atol=1e-12)
    same = tree_values(trees, np.arange(40), 50, rows, rows[:1], np.ones((7, 1, 1, 1)))
    assert np.abs(same[0]).max() == 0

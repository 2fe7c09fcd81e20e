"""Oblivious trees as products, against following each row through each tree."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from colonnade.baselines.trees import Nodes, grown
from colonnade.deploy.oblivious import GROUP, oblivious

N_COLUMNS = 5


def tree(depth, width, rng, n_questions=8):
    """One of random questions, of which trees share some."""
    chosen = rng.integers(0, n_questions, depth)
    level = np.repeat(np.arange(depth), 2 ** np.arange(depth))
    inner, leaves = np.arange(2**depth - 1), np.arange(2**depth - 1, 2 ** (depth + 1) - 1)
    zeros = np.zeros(len(leaves))
    return Nodes(
        feature=np.concatenate([chosen[level] % N_COLUMNS, zeros]).astype(np.int64),
        threshold=np.concatenate([chosen[level] / n_questions - 0.5, zeros]).astype(np.float32),
        left=np.concatenate([2 * inner + 1, leaves]),
        right=np.concatenate([2 * inner + 2, leaves]),
        missing=np.concatenate([np.ones(len(inner), bool), zeros.astype(bool)]),
        value=np.concatenate([np.zeros((len(inner), width)), rng.normal(size=(len(leaves), width))]),
    )


@pytest.mark.parametrize(("width", "n_outputs"), [(1, 1), (1, 3), (3, 3)])
def test_sums_of_leaves(width, n_outputs):
    rng = np.random.default_rng(0)
    depths = rng.integers(0, 5, GROUP + 9)
    output = np.sort(rng.integers(0, n_outputs, len(depths))) if width == 1 else np.zeros(len(depths), np.int64)
    trees = grown([tree(d, width, rng) for d in depths], output, n_columns=N_COLUMNS, n_outputs=n_outputs)
    trees = replace(trees, base=rng.normal(size=n_outputs))
    x = rng.normal(size=(200, N_COLUMNS)).astype(np.float32) * 0.4
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:8] = trees.nodes.threshold[trees.nodes.feature == 1][:1]
    sums = oblivious(trees)
    np.testing.assert_allclose(sums(torch.from_numpy(x)).numpy(), trees.sums(x), rtol=1e-5, atol=1e-5)


def test_trees_that_are_none():
    rng = np.random.default_rng(0)
    even = tree(2, 1, rng)
    assert oblivious(grown([even], [0], n_columns=N_COLUMNS, n_outputs=1)) is not None
    other = replace(even, threshold=even.threshold + np.arange(7, dtype=np.float32))
    right = replace(even, missing=np.zeros(7, bool))
    leaf = replace(even, left=np.array([1, 3, 2, 3, 4, 5, 6]), right=np.array([2, 4, 2, 3, 4, 5, 6]))
    for changed in (other, right, leaf):
        assert oblivious(grown([even, changed], [0, 0], n_columns=N_COLUMNS, n_outputs=1)) is None

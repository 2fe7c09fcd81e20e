"""Draws of rows: even, the same for the same row, and of every column."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from colonnade.core.draw import row_draw

RNG = np.random.default_rng(0)
N = 4000
CASES = {
    "normal": (RNG.normal(size=(N, 3)), np.zeros((N, 0))),
    "in a narrow range": (5 + RNG.uniform(0, 0.01, size=(N, 1)), np.zeros((N, 0))),
    "prices": (RNG.uniform(0, 500, size=(N, 1)).round(2), np.zeros((N, 0))),
    "large": (RNG.uniform(-1e9, 1e9, size=(N, 1)), np.zeros((N, 0))),
    "whole": (RNG.integers(0, 90, size=(N, 2)), RNG.integers(0, 5, size=(N, 2))),
    "categories": (np.zeros((N, 0)), RNG.integers(0, 9, size=(N, 5))),
}


def drawn(num, cat):
    return row_draw(torch.from_numpy(np.asarray(num, dtype=np.float64)), torch.from_numpy(np.asarray(cat, np.int64)))


@pytest.mark.parametrize("case", CASES)
def test_draws_are_even_and_follow_from_the_row(case):
    num, cat = CASES[case]
    found = drawn(num, cat)
    assert found.dtype == torch.float64
    assert float(found.min()) >= 0
    assert float(found.max()) < 1
    # The distance that even draws pass in one of a thousand samples.
    assert kstest(found.numpy(), "uniform").statistic < 1.95 / np.sqrt(N)
    order = RNG.permutation(N)
    torch.testing.assert_close(drawn(num[order], cat[order]), found[order], rtol=0, atol=1e-9)


def test_every_column_changes_the_draw_and_whatever_is_missing_has_one():
    num, cat = (
        np.array([[1.5, 2.0], [1.5, 2.1], [1.6, 2.0], [2.0, 1.5], [1.5, 2.0]]),
        np.array([[0], [0], [0], [0], [1]]),
    )
    assert len(drawn(num, cat).unique()) == 5
    strange = np.array([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0], [0.0, 1.0]])
    assert drawn(strange, np.zeros((4, 1))).unique().numel() == 1
    assert bool(drawn([[1e300, -1e300], [np.nan, np.nan]], np.zeros((2, 1))).isfinite().all())

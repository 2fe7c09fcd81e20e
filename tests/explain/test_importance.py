"""Importance and its interval."""

import numpy as np

from colonnade.explain.importance import bootstrap_weights, importance


def test_mean_magnitude_and_an_interval_as_wide_as_its_standard_error():
    values = np.random.default_rng(0).normal(size=(400, 3)) * [1.0, 2.0, 0.0]
    found = importance(values, seed=0)
    np.testing.assert_allclose(found.mean, np.abs(values).mean(0))
    width = (found.high - found.low)[:2]
    np.testing.assert_allclose(width, 2 * 1.96 * np.abs(values).std(0)[:2] / 20, rtol=0.12)
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()
    assert (found.mean[2], found.low[2], found.high[2]) == (0, 0, 0)


def test_resamples_are_seeded_and_weigh_the_same():
    weights = bootstrap_weights(7, 3)
    np.testing.assert_array_equal(weights, bootstrap_weights(7, 3))
    np.testing.assert_allclose(weights.sum(1), 1)
    assert set(np.unique(weights * 7).round().astype(int)) <= set(range(8))

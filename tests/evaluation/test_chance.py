"""What chance lets coverage be, against simulated splits."""

import numpy as np
import pytest

from colonnade.evaluation.chance import expected_coverage
from colonnade.evaluation.conformal import rank


@pytest.mark.parametrize(("level", "n", "m"), [(0.8, 100, 150), (0.9, 400, 80)])
def test_it_is_that_of_simulated_splits(level, n, m):
    scores = np.random.default_rng(0).random((4000, n + m))
    threshold = np.sort(scores[:, :n], axis=1)[:, rank(n, level) - 1]
    coverage = (scores[:, n:] <= threshold[:, None]).mean(1)
    found = expected_coverage(level, n, m)
    assert found.mean == pytest.approx(coverage.mean(), abs=0.002)
    np.testing.assert_allclose([found.low, found.high], np.quantile(coverage, [0.025, 0.975]), atol=0.012)


def test_where_no_threshold_is_large_enough_all_is_covered():
    assert expected_coverage(0.95, 10, 50).low == 1
    # 3,302 and 4,128 rows of California Housing: a split may be off by two points.
    found = expected_coverage(0.8, 3302, 4128)
    assert (round(found.low, 3), round(found.high, 3)) == (0.782, 0.818)

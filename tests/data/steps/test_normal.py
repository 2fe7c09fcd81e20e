"""The normal quantile function against scipy."""

import numpy as np
import torch
from scipy.stats import norm

from colonnade.data.steps.normal import EDGE, normal_quantile, rational


def test_both_forms_are_that_of_scipy() -> None:
    p = np.concatenate([np.linspace(EDGE, 1 - EDGE, 100_001), np.geomspace(EDGE, 0.1, 1000)])
    expected = norm.ppf(p)
    np.testing.assert_allclose(rational(torch.from_numpy(p)), expected, atol=2e-8)
    np.testing.assert_allclose(normal_quantile(torch.from_numpy(p)), expected, atol=1e-9)


def test_edges() -> None:
    found = normal_quantile(torch.tensor([-1.0, 0.0, 0.5, 1.0, 7.0, torch.nan], dtype=torch.float64))
    expected = [norm.ppf(EDGE), norm.ppf(EDGE), 0.0, norm.ppf(1 - EDGE), norm.ppf(1 - EDGE), np.nan]
    np.testing.assert_allclose(found, expected, atol=1e-9)

"""Smooth clip against its formula."""

import numpy as np
import pytest

from colonnade.data.steps.clip import SmoothClip


def test_formula(fit) -> None:
    x = np.array([[-1e300], [-4.0], [-0.1], [0.0], [0.3], [2.0], [1e9], [np.nan]])
    fitted, given = fit(SmoothClip(limit=3.0), x)
    found = fitted.module(given).num[0].numpy()
    with np.errstate(over="ignore"):
        expected = x[:, 0] / np.hypot(1, x[:, 0] / 3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.nanmax(np.abs(found)) <= 3
    assert fitted.module.describe() == {"a": "a / sqrt(1 + (a / 3)^2)"}


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_limit_must_be_positive(limit: float) -> None:
    with pytest.raises(ValueError, match=f"limit must be positive, got {limit}"):
        SmoothClip(limit=limit)

"""Scaling against sklearn."""

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler, StandardScaler

from colonnade.data.steps.scale import Robust, Standard


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(200, 4)) * [1, 1e6, 1e-6, 1] + [0, 1e6, 1, 3]
    table[::7, 1] = np.nan
    return table


@pytest.mark.parametrize(("step", "peer"), [(Standard(), StandardScaler()), (Robust(), RobustScaler())])
def test_values_are_those_of_sklearn(fit, values: np.ndarray, step, peer) -> None:
    fitted, given = fit(step, values)
    np.testing.assert_allclose(fitted.module(given).num.T, peer.fit_transform(values), rtol=1e-9, atol=1e-9)


def test_a_column_without_spread(fit, of) -> None:
    for step, elsewhere in ((Standard(), 2.0), (Robust(), 0.0)):
        fitted, given = fit(step, np.full((5, 1), 3.0))
        assert fitted.module(given).num.tolist() == [[0.0] * 5]
        assert fitted.module(of([[5.0]])).num.item() == elsewhere


def test_robust_without_interquartile_range_uses_the_extremes(fit) -> None:
    fitted, given = fit(Robust(), [[0.0], [0.0], [0.0], [0.0], [0.0], [0.0], [8.0]])
    assert fitted.module(given).num[0].tolist() == [0.0] * 6 + [2.0]


def test_flags_stay(fit) -> None:
    fitted, given = fit(Standard(), [[1.0], [3.0]], flags=[[1], [0]])
    assert fitted.module(given).flag.tolist() == [[1.0, 0.0]]


def test_describe(fit) -> None:
    assert fit(Standard(), [[1.0], [5.0]])[0].module.describe() == {"a": "(a - 3) * 0.5"}

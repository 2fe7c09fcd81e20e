"""Powers against sklearn."""

import numpy as np
import pytest
from sklearn.preprocessing import PowerTransformer

from colonnade.core.errors import ConfigError
from colonnade.data.steps.power import Log, YeoJohnson


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([np.exp(rng.normal(size=300)), rng.normal(size=300) ** 3, -np.exp(rng.normal(size=300))])


def test_yeo_johnson_is_that_of_sklearn(fit, of, values: np.ndarray) -> None:
    peer = PowerTransformer(standardize=False).fit(values)
    fitted, given = fit(YeoJohnson(), values)
    np.testing.assert_allclose(fitted.module.power[:, 0], peer.lambdas_, rtol=1e-12)
    np.testing.assert_allclose(fitted.module(given).num.T, peer.transform(values), rtol=1e-9, atol=1e-12)
    new = np.random.default_rng(1).normal(size=(50, 3)) * 5
    np.testing.assert_allclose(fitted.module(of(new)).num.T, peer.transform(new), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("power", [-2.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_every_branch(fit, of, values: np.ndarray, power: float) -> None:
    from scipy.stats import yeojohnson

    fitted, _ = fit(YeoJohnson(), values)
    fitted.module.power.fill_(power)
    x = np.linspace(-5, 5, 21)
    found = fitted.module(of(np.column_stack([x, x, x]))).num[0]
    np.testing.assert_allclose(found, yeojohnson(x, power), rtol=1e-12, atol=1e-14)


def test_chosen_columns_and_columns_without_spread(fit, values: np.ndarray) -> None:
    values[:, 2] = 1.0
    fitted, given = fit(YeoJohnson(columns=["b", "c"]), values)
    found = fitted.module(given).num
    np.testing.assert_allclose(found[[0, 2]].T, values[:, [0, 2]], rtol=1e-14)
    assert list(fitted.module.describe()) == ["b"]


def test_max_rows_is_a_seeded_sample(fit, values: np.ndarray) -> None:
    one, other = (fit(YeoJohnson(max_rows=100), values)[0].module.power for _ in range(2))
    assert one.equal(other)
    assert not one.equal(fit(YeoJohnson(), values)[0].module.power)


def test_log_takes_skewed_columns(fit, values: np.ndarray) -> None:
    values = np.column_stack([values[:, 0], np.random.default_rng(0).normal(size=300), values[:, 2]])
    fitted, given = fit(Log(min_skew=1.5), values)
    found = fitted.module(given).num.numpy()
    np.testing.assert_allclose(found[0], np.log1p(values[:, 0]))
    np.testing.assert_array_equal(found[1], values[:, 1])
    np.testing.assert_allclose(found[2], -np.log1p(-values[:, 2]))
    assert fitted.module.describe()["a"] == "sign(a) * log(1 + |a|)"


def test_unknown_columns_are_named(fit, values: np.ndarray) -> None:
    text = (
        "pipeline step Log: there is no column 'x' here; known: a, b, c\npipeline step Log: there is no column 'y' here"
    )
    with pytest.raises(ConfigError, match=text.replace("(", r"\(")):
        fit(Log(columns=["x", "a", "y"]), values)


def test_ranges() -> None:
    with pytest.raises(ValueError, match="min_skew must be at least 0, got -1"):
        Log(min_skew=-1)
    with pytest.raises(ValueError, match="max_rows must be at least 10, got 5"):
        YeoJohnson(max_rows=5)

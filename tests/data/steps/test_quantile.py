"""Quantile-normal against sklearn."""

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from colonnade.data.columns import Columns
from colonnade.data.steps.quantile import QuantileNormal, ToNormal, tables


def train_and_new(ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    train, new = rng.normal(size=(900, 4)), rng.normal(size=(300, 4)) * 1.5
    train[:, 1], new[:, 1] = np.exp(3 * train[:, 1]), np.exp(3 * new[:, 1])
    if ties:
        train[:, 2:], new[:, 2:] = train[:, 2:].round(), new[:, 2:].round(1)
        train[:, 3] = np.maximum(train[:, 3], 0)
    train[::9, 0] = np.nan
    return train, new


@pytest.mark.parametrize("n_quantiles", [2, 10, 255, 256, 900])
@pytest.mark.parametrize("ties", [False, True])
def test_values_are_those_of_sklearn(fit, of, n_quantiles: int, ties: bool) -> None:
    train, new = train_and_new(ties)
    peer = QuantileTransformer(output_distribution="normal", n_quantiles=n_quantiles, subsample=None).fit(train)
    fitted, given = fit(QuantileNormal(noise=0.0, n_quantiles=n_quantiles), train)
    knots = [k[k.isfinite()][1:] for k in fitted.module.knots]
    for ours, theirs in zip(knots, peer.quantiles_.T, strict=True):
        # sklearn's quantiles of equal values may differ by rounding.
        np.testing.assert_allclose(ours, np.unique(theirs.round(12)), rtol=1e-9, atol=1e-11)
    assert fitted.module.has_ties == (ties and n_quantiles > 2)
    same = ToNormal(names="abcd", **tables(torch.from_numpy(peer.quantiles_.T.copy())))
    np.testing.assert_allclose(same(given).num.T, peer.transform(train), atol=1e-6)
    np.testing.assert_allclose(same(of(new)).num.T, peer.transform(new), atol=1e-6)
    if n_quantiles < len(train):
        np.testing.assert_allclose(fitted.module(of(new)).num.T, peer.transform(new), atol=1e-6)


@pytest.mark.parametrize(("rows", "expected"), [(60, 10), (900, 30), (40_000, 1000)])
def test_number_of_quantiles(fit, rows: int, expected: int) -> None:
    values = np.random.default_rng(0).normal(size=(rows, 1))
    assert int(fit(QuantileNormal(), values)[0].module.knots.isfinite().sum()) == expected + 1


def test_noise_parts_ties_and_is_relative_to_the_column(fit) -> None:
    values = np.random.default_rng(0).integers(0, 3, (6000, 1)) * [[1.0, 1e9, 1e-9]]
    fitted, given = fit(QuantileNormal(noise=1e-3), values)
    assert not fitted.module.has_ties
    columns = fitted.module(given).num
    assert columns.abs().max() < 5.3
    # The three columns differ in scale alone: the middle value lies near the median in each.
    middle = columns[:, values[:, 0] == 1]
    assert (middle.abs() < 0.45).all()


def test_a_column_without_spread(fit, of) -> None:
    for noise in (0.0, 1e-5):
        fitted, given = fit(QuantileNormal(noise=noise), np.full((50, 1), 4.0))
        assert fitted.module(given).num.abs().max() == 0
        beyond = fitted.module(of([[3.0], [5.0]])).num[0]
        np.testing.assert_allclose(beyond, [-5.1993, 5.1993], atol=1e-4)


@drawn(st.lists(st.integers(-4, 4), min_size=2, max_size=30), st.lists(st.floats(-5, 5), min_size=1, max_size=10))
def test_rank_never_falls(values: list[int], new: list[float]) -> None:
    module = ToNormal(names=["a"], **tables(torch.tensor([sorted(values)], dtype=torch.float64)))
    num = torch.tensor([sorted(new)], dtype=torch.float64)
    empty = torch.empty((0, len(new)))
    found = module(Columns(num, empty, empty, empty)).num
    assert (found.diff() >= -1e-12).all()


@pytest.mark.parametrize("ties", [False, True])
def test_the_exported_form_gives_the_same(fit, ties: bool, monkeypatch) -> None:
    train, new = train_and_new(ties)
    module = fit(QuantileNormal(noise=0.0), train)[0].module
    new[0] = np.nan
    columns = Columns(torch.from_numpy(new.T), *[torch.empty((0, len(new)))] * 3)
    eager = module(columns).num
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    np.testing.assert_allclose(module(columns).num, eager, atol=2e-8)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noise": -1.0}, "noise must be at least 0, got -1.0"),
        ({"n_quantiles": 1}, "n_quantiles must be at least 2, got 1"),
    ],
)
def test_ranges(options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        QuantileNormal(**options)

"""Bins: against numpy's quantiles and sklearn's trees."""

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.tree import DecisionTreeRegressor

from colonnade.data.steps.bins import Bins

NAN = np.nan
X = np.random.default_rng(0).normal(size=(400, 1))


def test_quantile_bins_are_those_of_sklearn(fit) -> None:
    fitted, given = fit(Bins(n_bins=5), X)
    peer = KBinsDiscretizer(5, encode="onehot-dense", quantile_method="linear")
    np.testing.assert_array_equal(fitted.module(given).flag.T, peer.fit_transform(X))
    assert len(fitted.layout.flag) == 5
    assert fitted.layout.flag[0].startswith("a=below -")
    assert fitted.layout.num == ("a",)


def test_tree_bins_lie_where_the_target_jumps(fit) -> None:
    target = np.select([X[:, 0] < -0.5, X[:, 0] < 0.7], [0.0, 3.0], 1.0).astype(np.float32)
    fitted, _ = fit(Bins(strategy="tree", n_bins=3), X, target=target)
    edges = fitted.module.high[:2, 0].numpy()
    np.testing.assert_allclose(edges, [-0.5, 0.7], atol=0.02)
    tree = DecisionTreeRegressor(max_leaf_nodes=3, min_samples_leaf=20).fit(X, target).tree_
    np.testing.assert_allclose(edges, sorted(tree.threshold[tree.children_left >= 0]), rtol=1e-6)


def test_few_values_have_a_bin_each_and_missing_ones_none(fit, of) -> None:
    fitted, _ = fit(Bins(n_bins=4, keep=False), [[1.0], [5.0], [5.0], [9.0], [NAN]])
    assert fitted.layout.flag == ("a=below 5", "a=[5, 9)", "a=from 9")
    assert fitted.layout.num == ()
    found = fitted.module(of([[1.0], [5.0], [8.0], [100.0], [NAN]])).flag.T.tolist()
    assert found == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_many_equal_values_share_a_bin(fit) -> None:
    values = np.r_[np.zeros(90), np.arange(1.0, 21.0)][:, None]
    fitted, given = fit(Bins(n_bins=10), values)
    flag = fitted.module(given).flag
    assert (flag.sum(0) == 1).all()
    assert (flag.sum(1) > 0).all(), "no bin is empty"


def test_nothing_to_cut(fit) -> None:
    assert fit(Bins(), [[3.0], [3.0], [NAN]])[0].module is None
    assert fit(Bins(strategy="tree"), X, target=np.zeros(400, dtype=np.float32))[0].module is None


def test_ranges() -> None:
    with pytest.raises(ValueError, match="strategy must be quantile or tree, got 'even'"):
        Bins(strategy="even")
    with pytest.raises(ValueError, match="n_bins must be at least 2, got 1"):
        Bins(n_bins=1)
    with pytest.raises(ValueError, match="min_rows must be at least 1, got 0"):
        Bins(min_rows=0)

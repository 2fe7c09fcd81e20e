"""Trees in one form give what their libraries give, whatever they ask of categories and of missing numbers."""

import numpy as np
import pytest
import torch

from colonnade.baselines.trees import Trees, float32_below, joined

from .kit import TASKS, TREES, fitted, table

CASES = [(name, task) for name in (*TREES, "random_forest") for task in TASKS if task not in ("huber", "mae")]
OPTIONS = {
    "catboost, oblivious": {"one_hot_max_size": 2},
    "catboost, by leaf": {"one_hot_max_size": 2, "grow_policy": "Lossguide"},
}


def by_trees(network, num, cat):
    trees = network.trees()
    features = trees.features(torch.from_numpy(num), torch.from_numpy(cat), trees.search)
    return trees, network.finished(torch.from_numpy(trees.sums(features.numpy()))).numpy()


def same(name, task, **options):
    module, _, val, _ = fitted(name, task, **options)
    num, cat = val.num.copy(), val.cat.astype(np.int64)
    # A number that no row of training lacked, and a code that none had.
    num[::5, 0], cat[::7, 0] = np.nan, 1
    if name == "random_forest":
        num = np.nan_to_num(num)
    trees, found = by_trees(module.network, num, cat)
    expected = module.network.raw(torch.from_numpy(num), torch.from_numpy(cat)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-6)
    return trees


@pytest.mark.parametrize(("name", "task"), [(n, t) for n, t in CASES if not (n == "random_forest" and "quantile" in t)])
def test_they_give_what_the_library_gives(name, task):
    trees = same(name, task)
    assert len(np.unique(trees.output)) == len(trees.base) or trees.nodes.value.shape[1] > 1


@pytest.mark.parametrize("task", ["binary", "multiclass", "quantiles of two"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_statistics_of_categories(task, options):
    trees = same("catboost", task, **options)
    assert trees.statistics
    assert all(each.keys is None or len(each.values) == len(each.keys) + 1 for each in trees.statistics)


def test_categories_are_asked_for():
    assert all(same(name, "multiclass").sets for name in TREES)


def test_a_missing_number_goes_where_those_of_training_went():
    """The libraries learn it where training lacks numbers."""
    rows, _ = table("regression")
    rows.num[::4, 0] = np.nan
    for name in ("xgboost", "lightgbm"):
        module, _, val, _ = fitted(name, "regression", rows=rows)
        cat = val.cat.astype(np.int64)
        trees, found = by_trees(module.network, val.num, cat)
        inner = ~trees.nodes.leaf
        assert 0 < trees.nodes.missing[inner].mean() < 1
        expected = module.network.raw(torch.from_numpy(val.num), torch.from_numpy(cat)).numpy()
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_models_side_by_side():
    one, two = (fitted(name, "binary")[0].network for name in ("xgboost", "lightgbm"))
    _, _, val, _ = fitted("xgboost", "binary")
    num, cat = torch.from_numpy(val.num), torch.from_numpy(val.cat).long()
    both: Trees = joined([one.trees(), two.trees(), one.trees()], one.n_columns)
    assert len(both.sets) == len({*one.trees().sets, *two.trees().sets})
    found = both.sums(both.features(num, cat, both.search).numpy())
    expected = torch.cat([one.raw(num, cat), two.raw(num, cat), one.raw(num, cat)], dim=1)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_float32_below():
    values = np.array([0.1, 0.5, -0.1, 1e-50, 16777217.0])
    found = float32_below(values)
    assert (found.astype(np.float64) <= values).all()
    assert (np.nextafter(found, np.float32(np.inf)).astype(np.float64) > values).all()

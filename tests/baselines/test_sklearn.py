"""Forest, linear models and constants against scikit-learn on the same arrays."""

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
from sklearn.preprocessing import OneHotEncoder

from colonnade.baselines.base import Job
from colonnade.baselines.dummy import weighted_quantile
from colonnade.core.errors import TrainingError

from .kit import CARDINALITIES, N_TRAIN, N, built, cut, fitted, raw, store, table


def matrix(rows):
    return np.hstack([rows.num, rows.cat.astype(np.float32)])


def one_hot(rows):
    encoder = OneHotEncoder(categories=[range(c) for c in CARDINALITIES], sparse_output=False)
    return np.hstack([rows.num, encoder.fit_transform(rows.cat)])


def decoded(module, rows):
    return {name: value.numpy() for name, value in module.task.decode(raw(module, rows)).items()}


@pytest.mark.parametrize("task", ["binary", "multiclass", "two classes"])
def test_forest_of_classes(task):
    module, train, val, found = fitted("random_forest", task)
    forest = RandomForestClassifier(n_estimators=10, max_leaf_nodes=15000, random_state=0).fit(
        matrix(train), train.target
    )
    np.testing.assert_allclose(decoded(module, val)["probability"], forest.predict_proba(matrix(val)), atol=2e-6)
    assert found.size == sum(tree.get_n_leaves() for tree in forest.estimators_)


@pytest.mark.parametrize(("task", "criterion"), [("regression", "squared_error"), ("mae", "absolute_error")])
def test_forest_of_numbers(task, criterion):
    module, train, val, _ = fitted("random_forest", task, max_leaf_nodes=20, max_samples=0.7, max_features=0.5)
    forest = RandomForestRegressor(
        n_estimators=10, max_leaf_nodes=20, max_samples=0.7, max_features=0.5, random_state=0, criterion=criterion
    ).fit(matrix(train), train.target[:, 0])
    np.testing.assert_allclose(raw(module, val)[:, 0, 0], forest.predict(matrix(val)), atol=1e-6)


def test_forest_of_labels_has_a_forest_for_each():
    module, train, val, _ = fitted("random_forest", "multilabel")
    for i in range(2):
        forest = RandomForestClassifier(n_estimators=10, max_leaf_nodes=15000, random_state=0)
        expected = forest.fit(matrix(train), train.target[:, i]).predict_proba(matrix(val))[:, 1]
        np.testing.assert_allclose(decoded(module, val)["probability"][:, i], expected, atol=2e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass", "two classes"])
def test_logistic_regression(task):
    module, train, val, _ = fitted("linear_sklearn", task, C=0.5)
    model = LogisticRegression(C=0.5, max_iter=1000).fit(one_hot(train), train.target)
    np.testing.assert_allclose(decoded(module, val)["probability"], model.predict_proba(one_hot(val)), atol=1e-3)


def test_ridge_of_two_targets():
    module, train, val, found = fitted("linear_sklearn", "two targets", C=0.1)
    expected = Ridge(alpha=10).fit(one_hot(train), train.target).predict(one_hot(val))
    np.testing.assert_allclose(raw(module, val)[:, 0], expected, atol=1e-3)
    assert found.size == 2 * (3 + sum(CARDINALITIES)) + 2


def test_quantile_regression():
    module, train, val, _ = fitted("linear_sklearn", "quantile")
    for i, level in enumerate((0.1, 0.5, 0.9)):
        model = QuantileRegressor(quantile=level, alpha=0.0).fit(one_hot(train), train.target[:, 0])
        loss = [
            np.maximum(level * e, (level - 1) * e).mean()
            for e in (
                train.target[:, 0] - p for p in (model.predict(one_hot(train)), raw(module, train)[:, 0, 0, i].numpy())
            )
        ]
        assert loss[1] == pytest.approx(loss[0], rel=1e-4), "where the optimum is not unique, its loss is"


@pytest.mark.parametrize("name", ["linear_sklearn", "dummy"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_weight_of_two_is_a_row_that_stands_twice(name, task):
    rows, spec = table(task)
    train, val = cut(rows, 0, N_TRAIN), cut(rows, N_TRAIN, N)
    weight = np.random.default_rng(0).integers(0, 3, N_TRAIN).astype(np.float32)
    index = np.repeat(np.arange(N_TRAIN), weight.astype(int))
    twice = type(train)(train.num[index], train.cat[index], train.target[index])
    outputs = []
    for given in (type(train)(train.num, train.cat, train.target, weight), twice):
        module = built(name, task, spec)
        module.fit(store(given), store(val), Job())
        outputs.append(raw(module, val))
    torch.testing.assert_close(outputs[0], outputs[1], atol=2e-3, rtol=1e-3)


def test_a_solver_that_does_not_arrive_is_told():
    with pytest.raises(TrainingError, match=r"did not converge: give it more than model.max_iter=1 iterations"):
        fitted("linear_sklearn", "binary", max_iter=1)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_dummy_of_classes(task):
    module, train, val, _ = fitted("dummy", task)
    expected = DummyClassifier(strategy="prior").fit(train.num, train.target).predict_proba(val.num)
    np.testing.assert_allclose(decoded(module, val)["probability"], expected, atol=1e-6)


@pytest.mark.parametrize(("task", "strategy"), [("regression", "mean"), ("mae", "median")])
def test_dummy_of_numbers(task, strategy):
    module, train, val, _ = fitted("dummy", task)
    expected = DummyRegressor(strategy=strategy).fit(train.num, train.target[:, 0]).predict(val.num)
    np.testing.assert_allclose(raw(module, val)[:, 0, 0], expected, atol=0.02)


def test_dummy_of_quantiles_covers_what_it_says():
    module, train, _, _ = fitted("dummy", "quantiles of two")
    found = raw(module, train)[0, 0].numpy()
    for t in range(2):
        for q, level in enumerate((0.1, 0.5, 0.9)):
            assert (train.target[:, t] <= found[t, q]).mean() == pytest.approx(level, abs=1 / N_TRAIN)


def test_quantiles_are_weighted():
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])
    assert [weighted_quantile(values, weight, q) for q in (0.01, 0.5, 0.51, 1.0)] == [1.0, 1.0, 2.0, 2.0]

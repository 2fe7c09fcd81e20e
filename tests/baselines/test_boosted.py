"""The three libraries used directly, on the same arrays with the same parameters, give the same predictions."""

import signal
import sys
from dataclasses import replace

import catboost
import lightgbm
import numpy as np
import pytest
import torch
import xgboost

from colonnade.baselines.base import Job
from colonnade.core.errors import DataError, MissingExtraError

from .kit import BASELINES, N_TRAIN, TASKS, TREES, N, built, cut, fitted, raw, store, table


def matrix(rows):
    return np.hstack([rows.num, rows.cat.astype(np.float32)])


def by_xgboost(module, train, val):
    types = ["q"] * 3 + ["c"] * 2

    def data(rows):
        return xgboost.DMatrix(
            matrix(rows), module.problems[0].target(rows), feature_types=types, enable_categorical=True
        )

    parameters = module.network.parameters_for(module.problems[0], Job())
    booster = xgboost.train(
        parameters, data(train), 20, evals=[(data(val), "v")], early_stopping_rounds=5, verbose_eval=False
    )
    return booster.predict(data(val), output_margin=True, iteration_range=(0, booster.best_iteration + 1))


def by_lightgbm(module, train, val):
    parameters = module.network.parameters_for(module.problems[0], Job())
    target = module.problems[0].target
    rows = lightgbm.Dataset(matrix(train), target(train), categorical_feature=[3, 4])
    held = lightgbm.Dataset(matrix(val), target(val), reference=rows)
    stop = lightgbm.early_stopping(5, verbose=False)
    booster = lightgbm.train(parameters, rows, 20, valid_sets=[held], callbacks=[stop])
    return booster.predict(matrix(val), raw_score=True)


def by_catboost(module, train, val):
    import pandas as pd

    def data(rows):
        frame = pd.DataFrame(rows.num).join(pd.DataFrame(rows.cat, columns=["c", "d"]))
        return catboost.Pool(frame, module.problems[0].target(rows), cat_features=["c", "d"])

    model = catboost.CatBoost(module.network.parameters_for(module.problems[0], Job()))
    model.fit(data(train), eval_set=data(val), early_stopping_rounds=5, use_best_model=True)
    return model.predict(data(val), prediction_type="RawFormulaVal")


DIRECTLY = {"xgboost": by_xgboost, "lightgbm": by_lightgbm, "catboost": by_catboost}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "mae", "huber"])
@pytest.mark.parametrize("name", TREES)
def test_as_the_library_used_directly(name, task):
    module, train, val, _ = fitted(name, task)
    expected = DIRECTLY[name](module, train, val).reshape(len(val), 1, -1)
    np.testing.assert_allclose(raw(module, val).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", TREES)
def test_the_validation_rows_stop_it_and_no_others(name):
    told = []

    def note(number, measures):
        told.append((number, measures["val/log_loss"]))
        return False

    options = {"n_estimators": 400, "patience": 7, "learning_rate": 0.5}
    module, _, val, found = fitted(name, "binary", job=Job(report=note), **options)
    best = min(told, key=lambda pair: pair[1])
    assert found.rounds == best[0] + 1 < 392
    assert told[-1][0] == best[0] + 7, "it goes on for as many rounds as its patience"
    values = module.task.metrics(module.task.decode(raw(module, val)), torch.from_numpy(val.target), None)
    assert values["log_loss"] == pytest.approx(best[1], abs=1e-5), "the best round is kept"
    # Other labels of the validation rows alone, and it stops elsewhere.
    whole, _ = table("binary")
    whole.target[N_TRAIN:] = 1 - whole.target[N_TRAIN:]
    *_, other = fitted(name, "binary", rows=whole, **options)
    assert other.rounds < found.rounds
    *_, never = fitted(name, "binary", n_estimators=30, patience=None, learning_rate=0.5)
    assert never.rounds == 30


@pytest.mark.parametrize("name", TREES)
def test_the_report_can_end_it(name):
    module, _, val, found = fitted(name, "binary", job=Job(report=lambda number, measures: number >= 3))
    assert found.rounds <= 4
    assert raw(module, val).isfinite().all()


@pytest.mark.parametrize("name", TREES)
def test_told_to_stop_it_stops_and_says_by_what(name):
    """CatBoost would turn what the handler raises into a KeyboardInterrupt."""

    def leave(number, frame):
        raise SystemExit(143)

    def note(number, measures):
        if number == 3:
            signal.raise_signal(signal.SIGTERM)
        return False

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with pytest.raises(SystemExit, match="143"):
            fitted(name, "binary", job=Job(report=note))
        assert signal.getsignal(signal.SIGTERM) is leave
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("task", "measure"), [("binary", "accuracy"), ("binary", "auroc"), ("multiclass", "accuracy")])
@pytest.mark.parametrize("name", TREES)
def test_what_is_told_is_what_the_task_measures_weights_included(name, task, measure):
    weight = np.random.default_rng(0).random(N).astype(np.float32)
    rows, spec = table(task, weight=weight)
    told = []
    learner = TASKS[task](monitor=f"val/{measure}", mode="max")
    module = built(name, learner, spec, n_estimators=8, patience=None)
    val = cut(rows, N_TRAIN, N)

    def note(number, measures):
        told.append(measures)
        return False

    module.fit(store(cut(rows, 0, N_TRAIN)), store(val), Job(report=note))
    assert len(told) == 8
    decoded = learner.decode(raw(module, val))
    expected = learner.metrics(decoded, torch.from_numpy(val.target), torch.from_numpy(val.weight))
    assert told[-1][f"val/{measure}"] == pytest.approx(expected[measure], abs=2e-3), (
        "but for scores so close that float32 probabilities are equal"
    )


@pytest.mark.parametrize("name", TREES)
def test_weights_reach_the_fit(name):
    """Rows of weight zero might as well be absent."""
    rows, _ = table("regression")
    weight = np.ones(N, dtype=np.float32)
    weight[: N_TRAIN // 2] = 0.0
    spoilt = replace(rows, weight=weight, target=np.where(weight[:, None] == 0, 50.0, rows.target).astype(np.float32))
    module, _, val, _ = fitted(name, "regression", rows=spoilt)
    assert raw(module, val).max() < 10


@pytest.mark.parametrize("name", TREES)
def test_balanced_classes_weigh_the_same(name):
    rows, _ = table("binary")
    rows.target[: N_TRAIN - 60] = 0
    options = {"rows": rows, "patience": None, "learning_rate": 0.2}
    plain, balanced = (raw(fitted(name, "binary", balanced=even, **options)[0], rows) for even in (False, True))
    assert balanced.mean() > plain.mean() + 0.3


@pytest.mark.parametrize("name", TREES)
def test_the_files_are_those_of_the_library(name, tmp_path):
    module, _, val, found = fitted(name, "two targets")
    paths = module.network.export(tmp_path)
    assert [path.name for path in paths] == [f"model{i}{module.network.suffix}" for i in (0, 1)]
    match name:
        case "xgboost":
            data = xgboost.DMatrix(matrix(val), feature_types=["q"] * 3 + ["c"] * 2, enable_categorical=True)
            values = [xgboost.Booster(model_file=path).predict(data) for path in paths]
        case "lightgbm":
            values = [lightgbm.Booster(model_file=path).predict(matrix(val)) for path in paths]
        case _:
            features = catboost.FeaturesData(val.num, val.cat.astype("S").astype(object))
            values = [catboost.CatBoost().load_model(str(path)).predict(catboost.Pool(features)) for path in paths]
    np.testing.assert_allclose(raw(module, val)[:, 0], np.stack(values, axis=1), atol=1e-6)
    assert found.size > 2


@pytest.mark.parametrize("name", TREES)
def test_without_validation_rows_every_round_is_trained(name):
    rows, spec = table("binary")
    module = built(name, "binary", spec, n_estimators=12)
    found = module.fit(store(cut(rows, 0, N_TRAIN)), store(cut(rows, 0, 0)), Job())
    assert found.rounds == 12


@pytest.mark.parametrize("name", TREES)
def test_a_missing_library_is_told_with_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"{name} is not installed: pip install 'colonnade\[trees\]'"):
        BASELINES[name](spec=replace(table("binary")[1], out_shape=(1,)))


def test_a_label_that_is_always_the_same_is_refused():
    rows, _ = table("multilabel")
    rows.target[:N_TRAIN, 1] = 0
    with pytest.raises(DataError, match="target 'z' is 0 in all train rows"):
        fitted("xgboost", "multilabel", rows=rows)


@pytest.mark.parametrize(
    ("name", "option", "text"),
    [
        ("xgboost", {"subsample": 1.5}, r"subsample must lie in \(0, 1\], got 1.5"),
        ("xgboost", {"max_depth": 0}, "max_depth must be 1 or more, got 0"),
        ("lightgbm", {"num_leaves": 1}, "num_leaves must be 2 or more, got 1"),
        ("catboost", {"depth": 17}, "depth must be 16 or less, got 17"),
        ("catboost", {"grow_policy": "Sideways"}, "grow_policy must be SymmetricTree, Depthwise or Lossguide"),
        ("catboost", {"l2_leaf_reg": -1.0}, "l2_leaf_reg must be 0 or more, got -1.0"),
        ("lightgbm", {"patience": 0}, "patience must be 1 or more, got 0"),
        ("random_forest", {"max_features": "half"}, "max_features must be sqrt, log2 or a share"),
        ("random_forest", {"max_samples": 0.0}, "max_samples must lie in"),
        ("linear_sklearn", {"C": 0.0}, "C must be above 0"),
    ],
)
def test_values_out_of_range_are_named(name, option, text):
    with pytest.raises(ValueError, match=text):
        BASELINES[name](spec=replace(table("binary")[1], out_shape=(1,)), **option)

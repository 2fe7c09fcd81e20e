"""Thresholds and coverage: closed forms, the guarantee on new rows, groups, and MAPIE as the oracle."""

import numpy as np
import pytest
import torch
from mapie.classification import SplitConformalClassifier
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from colonnade.core.errors import ConfigError, DataError
from colonnade.evaluation.conformal import coverage, covered, fit_conformal, nearest_pair, windows_apart
from colonnade.evaluation.options import Uncertainty
from colonnade.tasks.binary import Binary
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression

RNG = np.random.default_rng(0)
LEVELS = (0.8, 0.9, 0.95)


def values(n, seed=0):
    """Predictions of values with errors that grow, and their quantiles."""
    rng = np.random.default_rng(seed)
    value = rng.uniform(1, 5, (n, 1))
    truth = value + value * rng.normal(size=(n, 1))
    quantile = value[:, :, None] + value[:, :, None] * np.array([-1.0, 0.0, 1.0])
    prediction = {"value": torch.from_numpy(value), "quantile": torch.from_numpy(quantile)}
    return prediction, torch.from_numpy(truth)


def classes(n, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.full(4, 0.6), n)
    truth = (probability.cumsum(1) < rng.uniform(size=(n, 1))).sum(1)
    drawn = torch.from_numpy(rng.uniform(size=n))
    return {"probability": torch.from_numpy(probability), "draw": drawn}, torch.from_numpy(truth)


def fitted(method, prediction, truth, level, weight=None, *, randomized=False, **groups):
    options = Uncertainty(conformal=method, level=level, randomized=randomized)
    return fit_conformal(method, options, prediction, truth, weight, quantiles=(0.1, 0.5, 0.9), **groups)


def test_the_threshold_is_the_score_of_a_rank():
    """The 90th of 99 scores, at 90 %."""
    truth = torch.arange(1.0, 100.0).double()[torch.randperm(99)][:, None]
    prediction = {"value": torch.zeros(99, 1).double()}
    assert float(fitted("absolute", prediction, truth, 0.9).threshold) == 90.0
    assert float(fitted("absolute", prediction, truth, 0.5).threshold) == 50.0
    # Rows of weight zero do not count.
    assert float(fitted("absolute", prediction, truth, 0.9, weight=(truth <= 9)[:, 0].float()).threshold) == 9.0


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_each_class_has_its_threshold(method):
    """A class that the model underrates is covered like the others; one without enough rows has that of all."""
    prediction, truth = classes(6000)
    probability = prediction["probability"] * torch.tensor([0.2, 1, 1, 1])
    prediction = {"probability": probability / probability.sum(1, keepdim=True)}
    first = {"probability": prediction["probability"][:3000]}
    options = Uncertainty(conformal=method, level=0.9, by_class=True)
    module = fit_conformal(method, options, first, truth[:3000], None)
    plain = fit_conformal(method, Uncertainty(conformal=method, level=0.9), first, truth[:3000], None)
    assert module.threshold.shape == (1, 4)
    rest, true = {"probability": prediction["probability"][3000:]}, truth[3000:]
    by_class = [coverage({**rest, **of(rest, None)}, true, None, classes="abcd")["by_class"] for of in (plain, module)]
    assert by_class[0]["a"]["coverage"] < 0.8
    # 750 rows of each class: chance is 2.2 points.
    assert [each["coverage"] for each in by_class[1].values()] == pytest.approx([0.9] * 4, abs=0.035)
    few = fit_conformal(method, options, {"probability": first["probability"][:60]}, truth[:60].clamp(max=2), None)
    all_rows = fit_conformal(method, Uncertainty(conformal=method, level=0.9),
                             {"probability": first["probability"][:60]}, truth[:60].clamp(max=2), None)  # fmt: skip
    assert few.threshold[0, 3] == all_rows.threshold[0, 0]
    with pytest.raises(ValueError, match="group=city by_class=true: either has thresholds of its own"):
        Uncertainty(group="city", by_class=True)
    with pytest.raises(ConfigError, match="by_class=true: task=regression has no sets of classes"):
        Uncertainty(by_class=True).check(Regression())


def test_windows_that_share_no_step_are_counted():
    assert windows_apart(np.arange(99), 11) == 9
    # Two series of 20 steps, one of which has two runs of windows; and origins that lie apart.
    assert windows_apart(np.r_[0:4, 10:12, 25:31], 5) == 1 + 1 + 2
    assert windows_apart(np.array([40, 0, 20]), 20) == 3


def test_rows_that_share_steps_count_for_those_that_share_none():
    """Of 99 windows of which 11 share steps 9 stand for themselves: at 80 % the 8th of them, and 88 of all 99."""
    truth = torch.arange(1.0, 100.0).double()[torch.randperm(99)][:, None]
    prediction = {"value": torch.zeros(99, 1).double()}
    assert float(fitted("absolute", prediction, truth, 0.8, apart=9).threshold) == 88.0
    assert float(fitted("absolute", prediction, truth, 0.9, apart=9).threshold) == 99.0
    assert float(fitted("absolute", prediction, truth, 0.8).threshold) == 80.0
    with pytest.raises(
        DataError,
        match=r"level=0.9 takes 9 rows .* there are 8 to calibrate on \(99 windows, most of which share steps\)",
    ):
        fitted("absolute", prediction, truth, 0.9, apart=8)


def test_too_few_rows_are_refused():
    prediction, truth = values(8)
    with pytest.raises(DataError, match=r"level=0.9 takes 9 rows at least, and there are 8 .* a lower level, or more"):
        fitted("absolute", prediction, truth, 0.9)
    fitted("absolute", *values(9), 0.9)


@pytest.mark.parametrize("method", ["absolute", "cqr", "lac", "aps", "raps", "aps randomized", "raps randomized"])
def test_new_rows_are_covered_as_often_as_was_asked(method):
    method, _, randomized = method.partition(" ")
    make = values if method in ("absolute", "cqr") else classes
    new, truth = make(5000, seed=100)
    for level in LEVELS:
        thresholds = [fitted(method, *make(400, seed=seed), level, randomized=bool(randomized)) for seed in range(30)]
        inside, width = map(torch.stack, zip(*(covered(each(new, None), truth) for each in thresholds)))
        # Sets that are never empty cover the likeliest class, however low the level.
        never_empty = method in ("aps", "raps") and not randomized
        least = (new["probability"].argmax(1) == truth).double().mean() if never_empty else 0.0
        assert float(inside.mean()) == pytest.approx(max(level, float(least)), abs=0.015)
        assert float(width.mean()) > 0


def test_every_group_is_covered_where_each_has_its_threshold():
    prediction, truth = values(3000, seed=1)
    new, new_truth = values(6000, seed=2)
    codes, new_codes = ((p["value"][:, 0] > 3).long() for p in (prediction, new))
    apart = fitted("absolute", prediction, truth, 0.9, codes=codes, n_codes=3)
    told = coverage(apart(new, new_codes), new_truth, None, codes=new_codes, groups=("small", "large", "none"))
    for name in ("small", "large"):
        assert told["by_group"][name]["coverage"][0] == pytest.approx(0.9, abs=0.02)
    assert told["by_group"]["small"]["width"][0] < 0.7 * told["by_group"]["large"]["width"][0]
    # A group without rows gets the threshold of all.
    together = fitted("absolute", prediction, truth, 0.9)
    assert float(apart.threshold[2]) == float(together.threshold)
    spread = coverage(together(new, None), new_truth, None, codes=new_codes, groups=("small", "large"))["by_group"]
    assert spread["small"]["coverage"][0] > 0.94
    assert spread["large"]["coverage"][0] < 0.88


def test_thresholds_of_probabilities_lie_between_scores():
    """A graph rounds otherwise: the row that made the threshold must not fall out of its set."""
    prediction, truth = classes(500)
    for method in ("lac", "aps", "raps"):
        conformal = fitted(method, prediction, truth, 0.9)
        inside = covered(conformal(prediction, None), truth)[0]
        moved = {"probability": (prediction["probability"] * (1 + 1e-7)).float()}
        assert torch.equal(covered(conformal(moved, None), truth)[0], inside)
        assert int(inside.sum()) >= 451


def test_told_coverage_by_hand():
    prediction = {"set": torch.tensor([[1, 0], [1, 1], [0, 0], [0, 1]])}
    truth, weight = torch.tensor([0, 1, 1, 0]), torch.tensor([1.0, 2.0, 1.0, 0.0])
    told = coverage(prediction, truth, weight, classes=("a", "b"))
    assert (told["rows"], told["size"], told["empty"]) == (3, 1.0, pytest.approx(1 / 3))
    assert told["coverage"] == pytest.approx(2 / 3)
    assert (told["by_class"]["a"]["coverage"], told["by_class"]["b"]["coverage"]) == (1.0, 0.5)


class Column(RegressorMixin, BaseEstimator):
    """Predicts a column of its input."""

    fitted_ = True

    def __init__(self, column):
        self.column = column

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x[:, self.column]


class Rows(ClassifierMixin, BaseEstimator):
    """Predicts its input as probabilities."""

    classes_ = np.arange(4)

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(1)


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_are_those_of_mapie(level):
    prediction, truth = values(400)
    new, _ = values(50, seed=1)
    x, y, z = prediction["value"].numpy(), truth.numpy()[:, 0], new["value"].numpy()
    oracle = SplitConformalRegressor(Column(0), confidence_level=level, prefit=True).conformalize(x, y)
    found = fitted("absolute", prediction, truth, level)(new, None)
    bounds = np.stack((found["lower"][:, 0], found["upper"][:, 0]), 1)
    np.testing.assert_allclose(bounds, oracle.predict_interval(z)[1][:, :, 0])


def test_quantile_intervals_are_those_of_mapie():
    prediction, truth = values(400)
    new, _ = values(50, seed=1)
    x, z = prediction["quantile"].numpy()[:, 0], new["quantile"].numpy()[:, 0]
    oracle = ConformalizedQuantileRegressor([Column(0), Column(2), Column(1)], confidence_level=0.8, prefit=True)
    oracle.conformalize(x, truth.numpy()[:, 0])
    found = fitted("cqr", prediction, truth, 0.8)(new, None)
    bounds = np.stack((found["lower"][:, 0], found["upper"][:, 0]), 1)
    expected = oracle.predict_interval(z, symmetric_correction=True)[1][:, :, 0]
    np.testing.assert_allclose(bounds, expected)


@pytest.mark.parametrize("level", LEVELS)
def test_sets_are_those_of_mapie(level):
    prediction, truth = classes(400)
    new, _ = classes(300, seed=1)
    oracle = SplitConformalClassifier(Rows(), confidence_level=level, prefit=True, conformity_score="lac")
    oracle.conformalize(prediction["probability"].numpy(), truth.numpy())
    expected = oracle.predict_set(new["probability"].numpy())[1][:, :, 0]
    found = fitted("lac", prediction, truth, level)(new, None)["set"].numpy()
    # The threshold lies between two scores of 400: a class that falls between them may be in.
    assert (found >= expected).all()
    assert (found != expected).mean() < 0.003


@pytest.mark.parametrize("level", LEVELS)
def test_randomized_sets_are_those_of_mapie(level):
    """MAPIE takes the drawn share away from what includes the class, which is what is added to what does not."""
    prediction, truth = classes(400)
    new, _ = classes(300, seed=1)
    for each in (prediction, new):
        drawn = 1 - np.random.RandomState(5).uniform(size=len(each["probability"]))
        each["draw"] = torch.from_numpy(drawn)
    oracle = SplitConformalClassifier(
        Rows(), confidence_level=level, prefit=True, conformity_score="aps", random_state=5
    )
    oracle.conformalize(prediction["probability"].numpy(), truth.numpy())
    asked = {"include_last_label": "randomized"}
    expected = oracle.predict_set(new["probability"].numpy(), conformity_score_params=asked)[1][:, :, 0]
    found = fitted("aps", prediction, truth, level, randomized=True)(new, None)["set"].numpy()
    # As above, and scores lie farther apart.
    assert (found >= expected).all()
    assert (found != expected).mean() < 0.01


def test_the_interval_nearest_to_a_level():
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    assert [nearest_pair(levels, level) for level in (0.5, 0.8, 0.85, 0.9, 0.99)] == [
        (2, 4),
        (1, 5),
        (0, 6),
        (0, 6),
        (0, 6),
    ]
    assert nearest_pair((0.1, 0.5, 0.7), 0.9) == (0, 2)


def test_methods_and_their_tasks():
    assert Uncertainty().method(Binary()) == "lac"
    assert Uncertainty().method(Regression()) == "absolute"
    assert Uncertainty().method(Quantile()) == "cqr"
    assert Uncertainty().method(Quantile(quantiles=(0.5,))) == "absolute"
    assert Uncertainty().method(Multilabel()) == Uncertainty(conformal="none").method(Binary()) == "none"
    with pytest.raises(ConfigError, match="conformal=cqr does not fit task=regression; use absolute"):
        Uncertainty(conformal="cqr").check(Regression())
    with pytest.raises(ConfigError, match="conformal=lac does not fit task=quantile; use cqr or absolute"):
        Uncertainty(conformal="lac").check(Quantile())
    for wrong, text in (
        ({"conformal": "apss"}, "conformal=apss must be one of .*did you mean 'aps'"),
        ({"level": 1.0}, r"level=1.0 must lie in \(0, 1\)"),
        ({"penalty": -1.0}, "penalty=-1.0 must be at least 0"),
        ({"free": -1}, "free=-1 must be at least 0"),
        ({"randomized": True}, "randomized=true goes with conformal=aps or raps, not auto"),
    ):
        with pytest.raises(ValueError, match=text):
            Uncertainty(**wrong)

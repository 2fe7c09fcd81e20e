"""Fitted calibrations against closed forms, scikit-learn and a grid."""

import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from colonnade.core.errors import ConfigError
from colonnade.evaluation.options import Calibration
from colonnade.evaluation.scaling import fit_scaling
from colonnade.tasks.regression import Regression
from colonnade.tasks.scaling import scores
from colonnade.testing.tasks import ready

N = 3000
RNG = np.random.default_rng(0)
NAMES = ("a", "b", "c")


def believer(n_classes, factor):
    """Logits that are ``factor`` times as large as they should be, and what came true."""
    logit = torch.from_numpy(RNG.normal(size=(N, n_classes)))
    probability = logit.softmax(1).numpy()
    truth = (probability.cumsum(1) < RNG.uniform(size=(N, 1))).sum(1)
    return (factor * logit).softmax(1), torch.from_numpy(truth)


def fitted(method, probability, truth, weight=None, kind="class"):
    return fit_scaling(method, probability, truth, weight, kind, NAMES[: probability.shape[1]])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_and_is_the_best_of_a_grid(n_classes, factor):
    probability, truth = believer(n_classes, factor)
    scaling = fitted("temperature", probability, truth)
    found = float(scaling.temperature)
    assert found == pytest.approx(factor, rel=0.12)
    log = probability.double().log()
    losses = [log_loss(truth, (log / t).softmax(1)) for t in np.linspace(found - 0.1, found + 0.1, 21)]
    assert np.argmin(losses) == 10
    assert log_loss(truth, scaling(probability)) <= log_loss(truth, probability) + 1e-9


def test_weights_count_rows_and_those_of_zero_do_not():
    probability, truth = believer(3, 2.0)
    weight = torch.from_numpy(RNG.integers(0, 3, N))
    repeated = torch.arange(N).repeat_interleave(weight)
    for method in ("temperature", "vector"):
        found, expected = (
            fitted(method, probability, truth, weight),
            fitted(method, probability[repeated], truth[repeated]),
        )
        torch.testing.assert_close(found(probability), expected(probability), rtol=1e-3, atol=1e-4)


def test_two_classes_are_scaled_as_platt_does():
    probability, truth = believer(2, 2.0)
    scaling = fitted("vector", probability, truth)
    odds = scores(probability, "class").numpy()
    model = LogisticRegression(C=1e10, tol=1e-10).fit(odds, truth)
    np.testing.assert_allclose(scaling.weight, model.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(scaling.bias, model.intercept_, atol=1e-4)


def test_vector_scaling_is_at_the_bottom_of_its_loss():
    probability, truth = believer(3, 2.0)
    skewed = (probability.double().log() * torch.tensor([1.0, 2.0, 0.7]) + torch.tensor([0.5, 0.0, -1.0])).softmax(1)
    scaling = fitted("vector", skewed, truth)
    weight, bias = scaling.weight.requires_grad_(), scaling.bias.requires_grad_()
    score = scores(skewed, "class") * weight + bias
    torch.nn.functional.cross_entropy(score, truth).backward()
    assert max(weight.grad.abs().max(), bias.grad.abs().max()) < 1e-4
    warmer = fitted("temperature", skewed, truth)
    assert log_loss(truth, scaling(skewed).detach()) < log_loss(truth, warmer(skewed)) - 0.01


def test_isotonic_curves_go_through_the_blocks_of_scikit_learn():
    probability, truth = believer(2, 3.0)
    scaling = fitted("isotonic", probability, truth)
    value = probability[:, 1].double().numpy()
    fit = IsotonicRegression(y_min=1 / (N + 2), y_max=1 - 1 / (N + 2)).fit_transform(value, truth.numpy())
    blocks = np.unique(fit)
    np.testing.assert_allclose(scaling.y[0], blocks, rtol=1e-6)
    np.testing.assert_allclose(scaling.x[0], [value[fit == b].mean() for b in blocks], rtol=1e-6)
    calibrated = scaling(probability)[:, 1].numpy()
    order = np.argsort(value)
    assert (np.diff(calibrated[order]) >= 0).all()
    assert np.abs(calibrated - fit).mean() < 0.02


def test_labels_have_each_their_own():
    first, truth = believer(2, 3.0)
    second, other = believer(2, 0.5)
    both = torch.stack((first[:, 1], second[:, 1]), 1)
    labels = torch.stack((truth, other), 1)
    found = fitted("temperature", both, labels, kind="multilabel")
    alone = [fitted("temperature", p, t).temperature.item() for p, t in ((first, truth), (second, other))]
    np.testing.assert_allclose(found.temperature, alone, rtol=1e-4)
    assert fitted("vector", both, labels, kind="multilabel").weight.shape == (2,)
    curves = fitted("isotonic", both, labels, kind="multilabel")
    torch.testing.assert_close(
        curves(both)[:, 0].double(), fitted("isotonic", first, truth)(first)[:, 1].double(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("method", ["vector", "isotonic", "temperature"])
def test_what_the_rows_cannot_tell_stays_and_is_told(method, caplog):
    probability, truth = believer(3, 2.0)
    kept = truth < 2
    scaling = fitted(method, probability[kept], truth[kept])
    told = "all validation rows have 'c', or none has: it stays as it is" in caplog.text
    assert told == (method != "temperature")
    if method == "vector":
        assert (scaling.weight[2], scaling.bias[2]) == (1, 0)
        assert float(scaling.weight[0]) != 1
    if method == "isotonic":
        value = torch.tensor([[0.3, 0.3, 0.4]])
        assert scaling._curves(value)[0, 2] == pytest.approx(0.4)
    for given in (probability, believer(2, 2.0)[0]):
        constant = fitted(method, given, torch.ones(N).long())
        torch.testing.assert_close(constant(given), given, rtol=1e-5, atol=1e-6)
    assert "'b', or none has" in caplog.text


def test_options_that_make_no_sense():
    with pytest.raises(
        ValueError, match="method=temprature must be one of temperature, vector, isotonic; did you mean 'temperature'"
    ):
        Calibration(method="temprature")
    with pytest.raises(ConfigError, match="task=regression predicts no probabilities to calibrate: calibration=none"):
        Calibration().check(ready(Regression()))

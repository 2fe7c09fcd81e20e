"""Calibrated probabilities against the formulas, in the type that they come in, with labels of their own."""

import numpy as np
import pytest
import torch

from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.scaling import Isotonic, Temperature, Vector

N = 50
LOGIT = torch.from_numpy(np.random.default_rng(0).normal(size=(N, 4)) * 3)


def test_a_temperature_divides_logits():
    for logit in (LOGIT, LOGIT[:, :2]):
        found = Temperature("class", torch.tensor([2.5]))(logit.softmax(1))
        torch.testing.assert_close(found, (logit / 2.5).softmax(1))
    found = Temperature("multilabel", torch.tensor([0.5, 1, 2, 3]))(LOGIT.sigmoid())
    torch.testing.assert_close(found, (LOGIT / torch.tensor([0.5, 1, 2, 3])).sigmoid(), rtol=1e-5, atol=1e-7)


def test_both_sides_of_a_certain_class_stay_exact():
    """One minus a probability near one would be zero in float32."""
    logit = torch.tensor([[0.0, 40.0], [60.0, 0.0]])
    found = Temperature("class", torch.tensor([2.0]))(logit.softmax(1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (logit / 2).softmax(1), rtol=1e-5, atol=0)


def test_weights_and_biases_of_scores():
    weight, bias = torch.tensor([1.0, 2.0, 0.5, 1.5]), torch.tensor([0.0, -1.0, 1.0, 0.3])
    found = Vector("class", weight, bias)(LOGIT.softmax(1))
    torch.testing.assert_close(found, (LOGIT.log_softmax(1) * weight + bias).softmax(1))
    two = Vector("class", torch.tensor([2.0]), torch.tensor([-1.0]))(LOGIT[:, :2].softmax(1))
    torch.testing.assert_close(two[:, 1], (2 * (LOGIT[:, 1] - LOGIT[:, 0]) - 1).sigmoid())


def test_curves_are_straight_between_knots_and_level_beyond():
    x, y = torch.tensor([[0.2, 0.4, 0.8], [0.1, 0.5, 0.5]]), torch.tensor([[0.1, 0.5, 0.6], [0.3, 0.4, 0.4]])
    value = torch.rand(N, 2)
    found = Isotonic("multilabel", x, y)(value)
    for k in range(2):
        knots = x[k].unique()
        expected = np.interp(value[:, k].numpy(), knots, y[k, : len(knots)])
        np.testing.assert_allclose(found[:, k], expected, atol=1e-6)
    two = torch.rand(N, 1)
    found = Isotonic("class", x[:1], y[:1])(torch.cat((1 - two, two), 1))
    np.testing.assert_allclose(found[:, 1], np.interp(two[:, 0].numpy(), x[0], y[0]), atol=1e-6)
    several = torch.cat([x[:1]] * 4), torch.cat([y[:1]] * 4)
    found = Isotonic("class", *several)(LOGIT.softmax(1))
    torch.testing.assert_close(found.sum(1), torch.ones(N, dtype=torch.float64))


@pytest.mark.parametrize(("kind", "width"), [("class", 2), ("class", 4), ("multilabel", 3)])
def test_labels_are_those_of_the_calibrated_probabilities(kind, width):
    logit = LOGIT[:, :width].float()
    probability = logit.softmax(1) if kind == "class" else logit.sigmoid()
    k = 1 if (kind, width) == ("class", 2) else width
    scaling = Vector(kind, torch.ones(k), torch.full((k,), -2.0) if k != 4 else torch.tensor([3.0, 0, 0, 0]))
    given = {"label": torch.zeros(N).long(), "probability": probability}
    found = Calibrator(kind, scaling=scaling).apply_to(given, rows=7)
    assert list(found) == ["label", "probability"]
    torch.testing.assert_close(found["probability"], scaling(probability))
    likely = found["probability"].argmax(1) if kind == "class" else (found["probability"] > 0.5).long()
    assert torch.equal(found["label"], likely)
    before = probability.argmax(1) if kind == "class" else (probability > 0.5).long()
    assert not torch.equal(found["label"], before)

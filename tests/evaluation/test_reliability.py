"""Measured reliability by hand, and its interval against the truth of many tables."""

import numpy as np
import pytest
import torch

from colonnade.evaluation.reliability import reliability

RNG = np.random.default_rng(0)


def by_hand(believed, came_true, weight):
    """Expected calibration error, bin by bin."""
    total = 0.0
    for b in range(15):
        inside = np.minimum((believed * 15).astype(int), 14) == b
        if inside.any():
            total += abs((weight[inside] * (believed[inside] - came_true[inside])).sum())
    return total / weight.sum()


def test_of_classes_by_hand():
    probability = RNG.dirichlet([1, 1, 1], 400)
    truth, weight = RNG.integers(0, 3, 400), RNG.integers(0, 3, 400).astype(float)
    found = reliability(*map(torch.from_numpy, (probability, truth, weight)), "class")
    hit = (probability.argmax(1) == truth).astype(float)
    assert found.calibration_error == pytest.approx(by_hand(probability.max(1), hit, weight))
    square = ((probability - np.eye(3)[truth]) ** 2).sum(1)
    assert found.brier == pytest.approx((weight * square).sum() / weight.sum())
    true = -np.log(probability[np.arange(400), truth])
    assert found.log_loss == pytest.approx((weight * true).sum() / weight.sum())
    assert found.rows == (weight > 0).sum()
    assert found.low < found.calibration_error


def test_of_labels_by_hand():
    probability, truth = RNG.uniform(size=(300, 2)), RNG.integers(0, 2, (300, 2))
    found = reliability(torch.from_numpy(probability), torch.from_numpy(truth), None, "multilabel")
    assert found.calibration_error == pytest.approx(by_hand(probability.ravel(), truth.ravel(), np.ones(600)))
    assert found.brier == pytest.approx(((probability - truth) ** 2).mean())
    likely = np.where(truth == 1, probability, 1 - probability)
    assert found.log_loss == pytest.approx(-np.log(likely).mean())


def test_the_interval_holds_the_error_of_all_rows_that_there_could_be():
    """Beliefs that are off by .1 everywhere; resampled tables alone would lie above."""
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        believed = rng.uniform(0.2, 0.9, 800)
        truth = (rng.uniform(size=800) < believed - 0.1).astype(int)
        pair = torch.from_numpy(np.stack((1 - believed, believed), 1))
        found = reliability(pair, torch.from_numpy(truth), None, "class", seed=seed)
        inside += found.low <= 0.1 <= found.high
    assert inside >= 34


def test_no_row_that_counts():
    assert reliability(torch.full((3, 2), 0.5), torch.zeros(3).long(), torch.zeros(3), "class") is None

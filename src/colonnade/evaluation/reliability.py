"""Reliability: how near probabilities are to frequencies, with an interval over the choice of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colonnade.core.schema import TargetKind
from colonnade.tasks.measures import proper
from colonnade.tasks.measures.rows import Rows, rows_that_count

LEVEL = 0.95
RESAMPLES, FEWEST = 999, 199
# Random numbers that an interval may draw.
MOST_DRAWS = 50_000_000


@dataclass(frozen=True)
class Reliability:
    """How near probabilities are to frequencies.

    Args:
        rows: that were looked at, those of weight zero left out.
        log_loss: mean negative logarithm of the probability of what is true; of labels their mean.
        brier: see :func:`~colonnade.tasks.measures.proper.brier`; of labels the mean of theirs.
        calibration_error: expected calibration error over 15 bins; of labels over all of them together.
        low, high: 95 % bootstrap interval of the calibration error.
    """

    rows: int
    log_loss: float
    brier: float
    calibration_error: float
    low: float
    high: float


def reliability(
    probability: Tensor, truth: Tensor, weight: Tensor | None, kind: str, *, seed: int = 0
) -> Reliability | None:
    """Measure; None where no row counts.

    Args:
        probability: ``(N, C)`` of classes, or ``(N, L)`` of labels.
        truth: class indices ``(N,)``, or labels ``(N, L)``.
        weight: ``(N,)``; None means one.
        kind: of the target.
        seed: of the bootstrap.
    """
    rows = rows_that_count({"probability": probability}, truth, weight)
    if len(rows.target) == 0:
        return None
    several = kind == TargetKind.MULTILABEL
    believed, came_true = belief(rows, kind)
    error = float(proper.expected_calibration_error(believed.flatten(), came_true.flatten(), _each(rows, believed)))
    low, high = _interval(believed, came_true, rows.weight, error, seed)
    return Reliability(
        rows=len(rows.target),
        log_loss=float(proper.binary_log_loss(rows) if several else proper.log_loss(rows)),
        brier=float(_brier_of_labels(rows) if several else proper.brier(rows)),
        calibration_error=error,
        low=low,
        high=high,
    )


def belief(rows: Rows, kind: str) -> tuple[Tensor, Tensor]:
    """What is believed, and whether it came true (0 or 1): ``(N, 1)`` of classes, ``(N, L)`` of labels, float64."""
    probability = rows.prediction["probability"]
    if kind == TargetKind.MULTILABEL:
        return probability.double(), rows.target.double()
    believed, came_true = proper.confidence(probability, rows.target)
    return believed.double()[:, None], came_true[:, None]


def _each(rows: Rows, believed: Tensor) -> Tensor | None:
    """Weight of each belief."""
    return None if rows.weight is None else rows.weight[:, None].expand_as(believed).flatten()


def _brier_of_labels(rows: Rows) -> Tensor:
    square = (rows.prediction["probability"].double() - rows.target).square().mean(1)
    return square.mean() if rows.weight is None else (rows.weight * square).sum() / rows.weight.sum()


def _interval(
    believed: Tensor, came_true: Tensor, weight: Tensor | None, error: float, seed: int
) -> tuple[float, float]:
    """Basic bootstrap: noise makes the error of resampled rows larger, which twice the error minus theirs undoes."""
    n, width = believed.shape
    rng = np.random.default_rng(seed)
    rows = np.ones(n) if weight is None else weight.numpy()
    edges = torch.linspace(0, 1, proper.N_BINS + 1, dtype=torch.float64)
    bins = (torch.bucketize(believed.contiguous(), edges, right=True) - 1).clamp(0, proper.N_BINS - 1).numpy()
    gap = (believed - came_true).numpy() * rows[:, None]
    resamples = int(np.clip(MOST_DRAWS // n, FEWEST, RESAMPLES))
    found = np.empty(resamples)
    for i in range(resamples):
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        sums = np.bincount(bins.ravel(), weights=(gap * times[:, None]).ravel(), minlength=proper.N_BINS)
        found[i] = np.abs(sums).sum() / ((rows * times).sum() * width)
    low, high = np.quantile(found, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    return max(0.0, float(2 * error - low)), max(0.0, float(2 * error - high))

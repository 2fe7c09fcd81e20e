"""Scaling, fitted: the numbers of a calibration that make the validation rows likeliest."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colonnade.core.schema import TargetKind
from colonnade.tasks.scaling import Isotonic, Scaling, Temperature, Vector, scores

log = logging.getLogger(__name__)

# A temperature lies between 1 / HOTTEST and HOTTEST.
HOTTEST = 20.0
PRECISE = {"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-8}


def fit_scaling(
    method: str, probability: Tensor, truth: Tensor, weight: Tensor | None, kind: str, names: Sequence[str]
) -> Scaling:
    """Fit on rows that the model did not learn from.

    What these rows cannot tell stays as it is, and is told: a class or label that all of them have, or none.

    Args:
        method: ``temperature``, ``vector`` or ``isotonic``.
        probability: ``(N, C)`` of the classes, or ``(N, L)`` of the labels.
        truth: class indices ``(N,)``, or labels ``(N, L)`` of 0 and 1.
        weight: ``(N,)``; None means one.
        kind: of the target.
        names: of the classes or labels.
    """
    rows = np.ones(len(truth)) if weight is None else weight.double().numpy()
    counts = rows > 0
    rows, probability, known = rows[counts] / rows[counts].sum(), probability[counts], truth[counts].numpy()
    if kind == TargetKind.CLASS:
        known = (known[:, None] == np.arange(len(names))).astype(np.float64)
    told = (known.min(0) < known.max(0)) if len(known) else np.zeros(len(names), dtype=bool)
    score = scores(probability, kind).numpy()
    softmax = kind == TargetKind.CLASS and score.shape[1] > 1
    if not (softmax and method == "temperature" and told.any()):
        for name in (name for name, both in zip(names, told) if not both):
            log.warning("calibration: all validation rows have '%s', or none has: it stays as it is", name)
    if score.shape[1] == 1 and kind == TargetKind.CLASS:
        # Of two classes there is one score.
        known, told = known[:, 1:], told[1:]
    if method == "isotonic":
        return _isotonic(probability, known, told, rows, kind)
    if method == "temperature":
        if softmax:
            best = _temperature(score, known, rows, softmax=True) if told.any() else 1.0
            return Temperature(kind, torch.tensor([best]))
        each = [
            _temperature(score[:, k : k + 1], known[:, k : k + 1], rows, softmax=False) if told[k] else 1.0
            for k in range(score.shape[1])
        ]
        return Temperature(kind, torch.tensor(each))
    if softmax:
        found = _affine(score, known, rows, told, softmax=True)
    else:
        parts = [
            _affine(score[:, k : k + 1], known[:, k : k + 1], rows, told[k : k + 1], softmax=False)
            for k in range(score.shape[1])
        ]
        found = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    return Vector(kind, *map(torch.from_numpy, found))


def _loss(score: np.ndarray, known: np.ndarray, rows: np.ndarray, *, softmax: bool) -> tuple[float, np.ndarray]:
    """Mean log loss of scores, and what it grows by with each of them, ``(N, K)``."""
    from scipy.special import expit, log_softmax

    if softmax:
        log_p = log_softmax(score, axis=1)
        return float(-(rows @ (known * log_p)).sum()), rows[:, None] * (np.exp(log_p) - known)
    loss = np.logaddexp(0.0, score) - known * score
    return float((rows @ loss).sum()), rows[:, None] * (expit(score) - known)


def _temperature(score: np.ndarray, known: np.ndarray, rows: np.ndarray, *, softmax: bool) -> float:
    """The best temperature, never worse than 1: the loss is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        return _loss(score / np.exp(log_t), known, rows, softmax=softmax)[0]

    bound = np.log(HOTTEST)
    best = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(best.x)) if best.fun < loss(0.0) else 1.0


def _affine(
    score: np.ndarray, known: np.ndarray, rows: np.ndarray, told: np.ndarray, *, softmax: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The best weight and bias of each score, from 1 and 0, which those of an untold class keep."""
    from scipy.optimize import minimize

    k = score.shape[1]
    # Log-probabilities reach -87: columns of one size, or the search would walk in the direction of the largest alone.
    size = np.maximum(np.sqrt(rows @ score**2), 1e-3)
    scaled, free = score / size, np.concatenate([told, told])
    start = np.concatenate([size, np.zeros(k)])

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        whole = start.copy()
        whole[free] = values
        value, slope = _loss(scaled * whole[:k] + whole[k:], known, rows, softmax=softmax)
        return value, np.concatenate([(slope * scaled).sum(0), slope.sum(0)])[free]

    best = start.copy()
    if free.any():
        found = minimize(loss, start[free], jac=True, method="L-BFGS-B", options=PRECISE)
        if found.fun < loss(start[free])[0]:
            best[free] = found.x
    return best[:k] / size, best[k:]


def _isotonic(probability: Tensor, known: np.ndarray, told: np.ndarray, rows: np.ndarray, kind: str) -> Isotonic:
    """A curve for each class or label; that of an untold one is a straight line."""
    value = probability.double().numpy()
    value = value[:, 1:] if kind == TargetKind.CLASS and value.shape[1] == 2 else value
    curves = [
        _curve(value[:, k], known[:, k], rows) if told[k] else (np.array([0.0, 1.0]),) * 2
        for k in range(value.shape[1])
    ]
    longest = max(2, *(len(x) for x, _ in curves))
    filled = [[np.pad(part, (0, longest - len(part)), mode="edge") for part in curve] for curve in curves]
    x, y = (torch.from_numpy(np.stack(part)) for part in zip(*filled))
    return Isotonic(kind, x, y)


def _curve(value: np.ndarray, known: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of a rising curve: the means of the blocks that isotonic regression pools (Oron and Flournoy, 2017).

    Steps would make ties of rows that differ, and jump where a value differs in its last digit. The blocks are kept
    1 / (N + 2) away from 0 and 1: no finite number of rows shows certainty.
    """
    from sklearn.isotonic import isotonic_regression

    levels, place = np.unique(value, return_inverse=True)
    weight = np.bincount(place, weights=rows)
    fitted = isotonic_regression(np.bincount(place, weights=rows * known) / weight, sample_weight=weight)
    block = np.concatenate([[0], np.cumsum(np.diff(fitted) > 0)])
    mass = np.bincount(block, weights=weight)
    x = np.bincount(block, weights=weight * levels) / mass
    y = np.bincount(block, weights=weight * fitted) / mass
    edge = 1 / (len(value) + 2)
    return x, np.clip(y, edge, 1 - edge)

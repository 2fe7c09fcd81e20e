"""Importance: the mean magnitude of contributions, with its interval over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Importance:
    """Means with percentile bootstrap intervals of 95 %, ``(columns,)`` float64 each."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def importance(values: np.ndarray, *, seed: int) -> Importance:
    """Mean ``|value|`` of each column.

    Args:
        values: ``(N, columns)``.
        seed: of the resamples.
    """
    size = np.abs(values)
    resampled = bootstrap_weights(len(size), seed) @ size
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Importance(mean=size.mean(0), low=low, high=high)


def bootstrap_weights(n: int, seed: int) -> np.ndarray:
    """Weights of ``n`` rows in each resample, ``(resamples, n)``; each sums to one."""
    generator = np.random.default_rng(seed)
    weights: np.ndarray = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    return weights

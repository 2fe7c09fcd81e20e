"""Chance: what coverage of split conformal prediction is to be expected of so many rows."""

from __future__ import annotations

from dataclasses import dataclass

from colonnade.evaluation.conformal import rank


@dataclass(frozen=True)
class Chance:
    """Coverage over all ways to draw the rows: mean, and the ends between which it lies in 95 % of them."""

    mean: float
    low: float
    high: float


def expected_coverage(level: float, calibrated: int, measured: int) -> Chance:
    """Where coverage lies by chance alone, of rows that can be exchanged.

    Given the calibration rows the coverage of new rows is Beta distributed, with ``r`` and ``n + 1 - r`` for the
    ``r``-th of ``n`` scores as the threshold (Vovk, *Conditional validity of inductive conformal predictors*, ACML
    2012); what is counted among rows is Beta-binomial. Scores that are equal make it larger.

    Args:
        level: asked for.
        calibrated: rows that the threshold was taken from.
        measured: rows that are counted.

    >>> expected_coverage(0.9, 999, 1000)
    Chance(mean=0.9, low=0.873, high=0.925)
    """
    from scipy.stats import betabinom

    r = rank(calibrated, level)
    if r > calibrated or not measured:
        return Chance(1.0, 1.0, 1.0)
    counted = betabinom(measured, r, calibrated + 1 - r)
    low, high = (float(counted.ppf(q)) / measured for q in (0.025, 0.975))
    return Chance(round(r / (calibrated + 1), 6), low, high)

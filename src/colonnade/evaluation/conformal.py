"""Thresholds of conformal prediction from rows that the model did not learn from, and the coverage that they reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import DataError
from colonnade.evaluation.options import ABSOLUTE, CQR, Uncertainty
from colonnade.tasks.conformal import AbsoluteResidual, Adaptive, Conformal, LeastAmbiguous, QuantileResidual
from colonnade.tasks.quantile import intervals

# A threshold of probabilities lies at least so far above the score that it is taken from.
GAP = 1e-6


def build_conformal(method: str, options: Uncertainty, threshold: Tensor, quantiles: Sequence[float]) -> Conformal:
    """The module of a method.

    Args:
        method: ``absolute``, ``cqr``, ``lac``, ``aps`` or ``raps``.
        options: level, penalty and whether sets are randomized.
        threshold: see :class:`~colonnade.tasks.conformal.Conformal`.
        quantiles: predicted levels.
    """
    if method == ABSOLUTE:
        return AbsoluteResidual(threshold)
    if method == CQR:
        low, high = nearest_pair(quantiles, options.level)
        return QuantileResidual(threshold, low=low, high=high)
    if method == "lac":
        return LeastAmbiguous(threshold)
    penalty = options.penalty if method == "raps" else 0.0
    return Adaptive(threshold, penalty=penalty, free=options.free, randomized=options.randomized)


def nearest_pair(quantiles: Sequence[float], level: float) -> tuple[int, int]:
    """Positions of the central interval whose nominal coverage is nearest to a level, the wider one of two.

    Quantiles without such an interval give their outermost ones.

    >>> nearest_pair((0.05, 0.25, 0.5, 0.75, 0.95), 0.8)
    (0, 4)
    """
    found = intervals(quantiles)
    if not found:
        return 0, len(quantiles) - 1
    low, high, _ = min(reversed(found), key=lambda ends: round(abs(ends[2] - level), 6))
    return low, high


def fit_conformal(
    method: str,
    options: Uncertainty,
    prediction: Mapping[str, Tensor],
    truth: Tensor,
    weight: Tensor | None,
    *,
    codes: Tensor | None = None,
    n_codes: int = 1,
    scale: Tensor | None = None,
    quantiles: Sequence[float] = (),
    apart: int | None = None,
) -> Conformal:
    """Find the thresholds.

    A group or class with too few rows for a threshold of its own gets that of all rows. Windows of a forecast share
    steps: the threshold is as far out as that of the few that share none would be, but is taken from all.

    Args:
        method: see :func:`build_conformal`.
        options: see :func:`build_conformal`.
        prediction: of ``N`` rows, calibrated; with a draw for each where sets are randomized.
        truth: as ``Task.truth`` gives it.
        weight: ``(N,)``; rows of weight zero are left out, all others count once.
        codes: ``(N,)`` the group of each row; None: there is one.
        n_codes: number of codes.
        scale: ``(N, T)`` by which the scores are divided, see :class:`~colonnade.tasks.conformal.Conformal`; None: 1.
        quantiles: predicted levels.
        apart: how many of the rows share nothing of what is true of them, see :func:`windows_apart`; None: all.

    Raises:
        DataError: there are too few rows for the level.
    """
    blank = torch.zeros(1, 1)
    score = build_conformal(method, options, blank, quantiles).score(prediction, truth)
    score = score if scale is None else score / scale
    # A window of a forecast in which a value is missing says nothing of all of them.
    counts = ~score.isnan().any(1)
    counts = counts if weight is None else counts & (weight > 0)
    score = score[counts]
    apart = len(score) if apart is None else apart
    need_rows(options.level, len(score), apart)
    gap = GAP if method not in (ABSOLUTE, CQR) else 0.0
    overall = _threshold(score, -(-len(score) * rank(apart, options.level) // apart), gap)
    if codes is None and not options.by_class:
        return build_conformal(method, options, overall[None], quantiles)
    if options.by_class:
        codes, n_codes = truth, prediction["probability"].shape[1]
    assert codes is not None
    rows = overall.repeat(n_codes, 1)
    codes = codes[counts]
    for code in codes.unique().tolist():
        own = score[codes == code]
        if rank(len(own), options.level) <= len(own):
            rows[code] = _threshold(own, rank(len(own), options.level), gap)
    # Of a group one for all its classes; or one for each class, of all rows.
    return build_conformal(method, options, rows.T if options.by_class else rows, quantiles)


def need_rows(level: float, n: int, apart: int | None = None) -> None:
    """Refuse a level for which there are too few rows.

    Args:
        level: of the intervals or sets.
        n: rows to calibrate on.
        apart: see :func:`fit_conformal`.

    Raises:
        DataError: naming how many it takes.
    """
    apart = n if apart is None else apart
    if rank(apart, level) > apart:
        least = math.ceil(level / (1 - level) - 1e-9)
        shared = f" ({n} windows, most of which share steps)" if apart < n else ""
        more = "more steps of val (split.val=)" if apart < n else "more rows"
        raise DataError(
            f"uncertainty: level={level:g} takes {least} rows at least, and there are {apart} to calibrate on{shared}: "
            f"a lower level, or {more}"
        )


def rank(n: int, level: float) -> int:
    """Which of ``n`` sorted scores is the threshold, counted from 1; above ``n``: none is large enough.

    >>> rank(99, 0.9), rank(9, 0.9), rank(8, 0.9)
    (90, 9, 9)
    """
    return max(1, math.ceil((n + 1) * level - 1e-9))


def windows_apart(origins: np.ndarray, horizon: int) -> int:
    """How many windows of a forecast there are that share no step ahead.

    Args:
        origins: ``(N,)``, the first step ahead of each, counted over all series.
        horizon: steps ahead.

    >>> windows_apart(np.array([0, 1, 2, 3, 7, 8]), 3)
    3
    """
    found, end = 0, -1
    for origin in np.sort(origins).tolist():
        if origin >= end:
            found, end = found + 1, origin + horizon
    return found


def _threshold(score: Tensor, place: int, gap: float) -> Tensor:
    """The threshold of each target, ``(T,)``.

    With a gap it lies in the middle between its score and the next one that is farther away than that: a graph, which
    rounds otherwise, takes the same classes.
    """
    ordered = score.sort(dim=0).values
    found = ordered[place - 1]
    if not gap:
        return found
    above = torch.where(ordered > found + gap, ordered, torch.inf).amin(0)
    return torch.where(above.isinf(), found + gap, (found + above) / 2)


def covered(prediction: Mapping[str, Tensor], truth: Tensor) -> tuple[Tensor, Tensor]:
    """Whether what is true lies in the interval or the set, ``(N, T)`` of 0 and 1, and its width or size, float64."""
    if "set" in prediction:
        inside = prediction["set"].gather(1, truth[:, None]).double()
        return inside, prediction["set"].sum(1, keepdim=True).double()
    lower, upper = prediction["lower"], prediction["upper"]
    return ((lower <= truth) & (truth <= upper)).double(), upper - lower


def coverage(
    prediction: Mapping[str, Tensor],
    truth: Tensor,
    weight: Tensor | None,
    *,
    classes: Sequence[str] = (),
    codes: Tensor | None = None,
    groups: Sequence[str] = (),
) -> dict[str, Any]:
    """Measured coverage and mean width (of sets: size) of the rows that count.

    Args:
        prediction: with ``lower`` and ``upper``, or ``set``.
        truth: as ``Task.truth`` gives it.
        weight: ``(N,)``; rows of weight zero are left out, all others count once.
        classes: names; the coverage of each is told.
        codes: ``(N,)`` the group of each row.
        groups: names by code.

    Returns:
        ``rows``, ``coverage`` and ``width`` (a list, one for each target) or ``size``; of sets, the share of ``empty``
        ones; ``by_class`` and ``by_group`` the same.
    """
    inside, width = covered(prediction, truth)
    counts = ~truth.reshape(len(inside), -1).isnan().any(1)
    counts = counts if weight is None else counts & (weight > 0)

    def told(rows: Tensor) -> dict[str, Any]:
        mean = (inside[rows].mean(0), width[rows].mean(0))
        if "set" not in prediction:
            return {"rows": int(rows.sum()), "coverage": mean[0].tolist(), "width": mean[1].tolist()}
        empty = (width[rows] == 0).double().mean()
        return {"rows": int(rows.sum()), "coverage": mean[0].item(), "size": mean[1].item(), "empty": empty.item()}

    found = told(counts)
    if classes:
        found["by_class"] = {name: told(counts & (truth == i)) for i, name in enumerate(classes)}
    if codes is not None:
        present = codes[counts].unique().tolist()
        found["by_group"] = {groups[code]: told(counts & (codes == code)) for code in present}
    return found

"""Cross-validation in numbers: mean, deviation and interval of each metric over the folds, and their table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from colonnade.report.table import number

if TYPE_CHECKING:
    from rich.table import Table

LEVEL = 0.95
METHOD = "corrected resampled t (Nadeau and Bengio 2003)"


@dataclass(frozen=True)
class Spread:
    """A metric over the folds.

    Args:
        mean, std: over the folds, the latter with n - 1.
        low, high: 95 % interval of the mean.
    """

    mean: float
    std: float
    low: float
    high: float


def spread_of(values: Sequence[float], ratio: float) -> Spread:
    """Mean and interval of what was measured on each fold.

    Models of different folds share most of their train rows, so that their scores are not independent, and the usual
    interval is too narrow. The variance of the mean is taken as ``(1 / n + ratio) s**2``, with ``n - 1`` degrees of
    freedom: the corrected resampled t-test (Nadeau and Bengio, "Inference for the generalization error", Machine
    Learning 52, 2003), also with repeats (Bouckaert and Frank 2004). It is about models trained on as many rows.

    Args:
        values: of each fold, two at least; NaN anywhere makes everything NaN.
        ratio: rows of a fold over the rows that its model was trained and stopped on.

    >>> spread = spread_of([0.8, 0.9, 0.7], 0.25)
    >>> round(spread.mean, 4), round(spread.std, 4), round(spread.low, 4), round(spread.high, 4)
    (0.8, 0.1, 0.4714, 1.1286)
    """
    from scipy.stats import t

    if not all(math.isfinite(value) for value in values):
        return Spread(math.nan, math.nan, math.nan, math.nan)
    n, mean, std = len(values), fmean(values), stdev(values)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * std * math.sqrt(1 / n + ratio)
    return Spread(mean, std, mean - half, mean + half)


def folds_table(result: Mapping[str, Any]) -> Table:
    """A row for each metric: over the folds, and on the rows that were held out from all of them.

    Args:
        result: content of ``result.json`` of a cross-validation.
    """
    from rich.table import Table
    from rich.text import Text

    cv, test = result["cv"], result["metrics"]["test"]
    title = f"{result['task']}: {cv['n']} trainings, {cv['how']}"
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
    for name in ("metric", "mean over folds", "±", "95 % interval"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    if test:
        table.add_column(f"held out (mean of {cv['n']} models)", justify="right")
    watched = result["monitor"].split("/", 1)[-1]
    for name in sorted(cv["mean"], key=lambda name: name != watched):
        low, high = (cv["interval"][end][name] for end in ("low", "high"))
        cells = [number(cv["mean"][name]), number(cv["std"][name]), f"{number(low)} to {number(high)}"]
        marked = name == watched
        table.add_row(
            Text(f"{name} (monitored)" if marked else name),
            *cells,
            *([number(test.get(name))] if test else []),
            style="bold cyan" if marked else None,
        )
    return table

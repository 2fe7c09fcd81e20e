"""Cross-validation in numbers: mean, deviation and interval of each metric over the folds, and their table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from colonnade.report.ranking import Row
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
    caption = f"held out: rows in no fold, by the mean of {cv['n']} models" if test else None
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        caption=caption,
        caption_justify="left",
    )
    names = ("metric", "folds", "±", "95 % interval", *(("held out",) if test else ()))
    for name in names:
        table.add_column(name, justify="left" if name == "metric" else "right", no_wrap=True)
    watched = result["monitor"].split("/", 1)[-1]
    for name in sorted(cv["mean"], key=lambda name: name != watched):
        low, high = (cv["interval"][end][name] for end in ("low", "high"))
        std = cv["std"][name]
        cells = [
            number(cv["mean"][name]),
            number(std) if std is None else f"{std:.2g}",
            f"{number(low)} to {number(high)}",
        ]
        marked = name == watched
        table.add_row(
            Text(f"{name} (monitored)" if marked else name),
            *cells,
            *([number(test.get(name))] if test else []),
            style="bold cyan" if marked else None,
        )
    return table


def nested_choice(rows: Sequence[Row]) -> str | None:
    """What choosing by the inner folds comes to: in each outer fold the settings that are best within, measured on it.

    The score of searching and training together (Varma and Simon, "Bias in error estimation when using cross-validation
    for model selection", 2006), which the best line of a table flatters.

    Args:
        rows: all runs of a search; those of one seed have the same folds.

    Returns:
        A sentence; None without at least two nested cross-validations to choose from.
    """
    seeds: dict[str, list[Row]] = {}
    for row in rows:
        if row.status == "finished" and ((row.result or {}).get("cv") or {}).get("inner"):
            seeds.setdefault(row.settings.get("seed", ""), []).append(row)
    groups = [found for found in seeds.values() if len(found) > 1]
    if not groups:
        return None
    first = groups[0][0].result or {}
    measure, sign = str(first["monitor"]).partition("/")[2], -1 if first["mode"] == "max" else 1
    scores: list[float] = []
    chosen: Counter[str] = Counter()
    for found in groups:
        for trainings in zip(*((row.result or {})["cv"]["trainings"] for row in found)):
            inner = [training["metrics"]["val"].get(measure) for training in trainings]
            best = min(range(len(found)), key=lambda i: math.inf if inner[i] is None else sign * inner[i])
            score = trainings[best]["metrics"]["test"].get(measure)
            scores.append(math.nan if score is None else score)
            chosen[" ".join(f"{k}={v}" for k, v in found[best].settings.items() if k != "seed")] += 1
    rows_of = [training["rows"] for training in first["cv"]["trainings"]]
    ratio = fmean(n["fold"] / (n["train"] + n["val"]) for n in rows_of)
    spread = spread_of(scores, ratio)
    told = ", ".join(f"{name} in {n}" for name, n in chosen.most_common())
    return (
        f"chosen by the inner folds and measured on the {len(scores)} outer ones: {measure} {number(spread.mean)} "
        f"± {number(spread.std)}, 95 % interval {number(spread.low)} to {number(spread.high)}; chosen: {told}"
    )

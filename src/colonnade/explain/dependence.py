"""Dependence: how the scores follow one column, the others as they are in the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.data.columns import FIRST_LEVEL, MISSING, MISSING_TIME, RawColumns
from colonnade.data.lookup import Lookup
from colonnade.explain.game import Game
from colonnade.explain.sources import encode, places, with_column

POINTS = 17
"""Grid points of a number or a datetime at most."""
LEVELS = 12
"""Levels of a category at most, the most frequent ones."""


@dataclass(frozen=True)
class Curve:
    """The dependence of all outputs on a column.

    Args:
        column: its name.
        kind: ``number``, ``datetime`` or ``category``.
        grid: values: numbers, microseconds since 1970, or the text of levels.
        partial: ``(points, outputs)`` mean score of rows whose column is set to each value (partial dependence,
            Friedman, Annals of Statistics 2001).
        ale: ``(points, outputs)`` accumulated local effects (Apley and Zhu, JRSS B 2020), mean 0 over the rows: unlike
            partial dependence they set a value only in rows that are near it, which matters where columns are
            correlated; None for a category, whose levels have no order.
    """

    column: str
    kind: str
    grid: list[float] | list[int] | list[str]
    partial: np.ndarray
    ale: np.ndarray | None


def dependence(game: Game, module: nn.Module, lookup: Lookup, column: int, raw: RawColumns, averaged: int) -> Curve:
    """The curve of one column.

    Args:
        game: the model.
        module: raw rows to encoded ones.
        lookup: names and levels of the raw columns.
        column: position among the raw columns, for which :func:`has_curve`.
        raw: rows that give the grid, and over which local effects are taken.
        averaged: how many of them, evenly chosen, partial dependence is averaged over.
    """
    place = places(lookup)[column]
    block, i = place
    assert isinstance(i, int), "a text has no curve"
    observed = getattr(raw, block)[:, i]
    n = len(observed)
    chosen = torch.linspace(0, n - 1, min(n, averaged)).round().long()
    some = RawColumns(num=raw.num[chosen], cat=raw.cat[chosen], time=raw.time[chosen])
    grid = _frequent(observed) if block == "cat" else _spread(observed)
    partial = torch.stack([_scores(game, module, some, place, value).mean(0) for value in grid]).numpy()
    name = lookup.names[column]
    if block == "cat":
        return Curve(name, "category", [level_text(lookup, i, int(code)) for code in grid], partial, None)
    return Curve(
        name,
        "number" if block == "num" else "datetime",
        grid.tolist(),
        partial,
        _local_effects(game, module, raw, place, grid),
    )


def has_curve(lookup: Lookup, column: int) -> bool:
    """Whether a raw column has values in an order, or levels: texts have neither."""
    return isinstance(places(lookup)[column][1], int)


def level_text(lookup: Lookup, category: int, code: int) -> str:
    """The text of a code."""
    if code >= FIRST_LEVEL:
        return lookup.cat[category].levels[code - FIRST_LEVEL]
    return "(missing)" if code == MISSING else "(unknown)"


def _scores(game: Game, module: nn.Module, raw: RawColumns, place: tuple[str, int | slice], values: Tensor) -> Tensor:
    encoded: Batch = encode(module, with_column(raw, place, values))
    return game(encoded)


def _present(observed: Tensor) -> Tensor:
    return ~observed.isnan() if observed.is_floating_point() else observed != MISSING_TIME


def _spread(observed: Tensor) -> Tensor:
    """Observed values, evenly among the sorted ones; one value, 0, where there is none."""
    values = observed[_present(observed)].sort().values
    if not len(values):
        return observed.new_zeros(1)
    return values[torch.linspace(0, len(values) - 1, min(len(values), POINTS)).round().long()].unique()


def _frequent(observed: Tensor) -> Tensor:
    codes, counts = observed.unique(return_counts=True)
    return codes[counts.argsort(dim=0, descending=True, stable=True)[:LEVELS]]


def _local_effects(
    game: Game, module: nn.Module, raw: RawColumns, place: tuple[str, int | slice], grid: Tensor
) -> np.ndarray:
    """Mean change of the score across each interval of the grid, for the rows within it, summed up and centred."""
    block, i = place
    observed = getattr(raw, block)[:, i]
    within = _present(observed).nonzero()[:, 0]
    if len(grid) < 2:
        return np.zeros((len(grid), len(game.scores.names)))
    rows = RawColumns(num=raw.num[within], cat=raw.cat[within], time=raw.time[within])
    # The first interval is closed on both sides.
    interval = (torch.searchsorted(grid, observed[within].contiguous()) - 1).clamp(0, len(grid) - 2)
    step = _scores(game, module, rows, place, grid[interval + 1]) - _scores(game, module, rows, place, grid[interval])
    count = torch.bincount(interval, minlength=len(grid) - 1).double()
    effect = torch.zeros(len(grid) - 1, step.shape[1], dtype=torch.float64).index_add_(0, interval, step)
    effect = effect / count.clamp_min(1)[:, None]
    curve = torch.cat([torch.zeros(1, step.shape[1], dtype=torch.float64), effect.cumsum(0)])
    mean = ((curve[:-1] + curve[1:]) / 2 * count[:, None]).sum(0) / count.sum()
    centred: np.ndarray = (curve - mean).numpy()
    return centred

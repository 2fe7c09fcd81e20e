"""Mean and interval over folds, and the choice by inner folds."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from colonnade.report.crossval import nested_choice, spread_of
from colonnade.report.ranking import Row


def test_the_interval_covers_as_often_as_it_says():
    """Folds that share train rows have correlated scores: simulated with the correlation that the method assumes."""
    rng = np.random.default_rng(0)
    n, ratio = 10, 1 / 9
    rho = ratio / (1 + ratio)
    scores = np.sqrt(rho) * rng.normal(size=(2000, 1)) + np.sqrt(1 - rho) * rng.normal(size=(2000, n))
    found = [spread_of(row.tolist(), ratio) for row in scores]
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    plain = np.mean([abs(one.mean) <= stats.t.ppf(0.975, n - 1) * one.std / np.sqrt(n) for one in found])
    assert abs(covered - 0.95) < 0.015
    assert plain < 0.85, "the usual interval would be too narrow"


def test_by_the_formula_with_a_quantile_found_by_integration():
    spread = spread_of([0.2, 0.5, 0.4], 0.5)
    half = spread.high - spread.mean
    t = half / (spread.std * math.sqrt(1 / 3 + 0.5))
    within = integrate.quad(lambda x: (1 + x**2 / 2) ** -1.5 / (2 * math.sqrt(2)), -t, t)[0]
    assert within == pytest.approx(0.95, abs=1e-6)
    assert spread.std == pytest.approx(np.std([0.2, 0.5, 0.4], ddof=1))


def test_what_is_undefined_in_a_fold_is_undefined():
    assert math.isnan(spread_of([0.1, math.nan], 0.25).high)


def cell(model, seed, inner, outer):
    trainings = [
        {"rows": {"train": 60, "val": 20, "fold": 20}, "metrics": {"val": {"rmse": a}, "test": {"rmse": b}}}
        for a, b in zip(inner, outer)
    ]
    result = {"monitor": "val/rmse", "mode": "min", "cv": {"inner": True, "trainings": trainings}}
    return Row(f"{model}{seed}", "f", "finished", {"model": model, "seed": seed}, result)


def test_the_inner_folds_choose_and_the_outer_ones_measure():
    rows = [cell("a", "0", [1.0, 3.0], [5.0, 1.0]), cell("b", "0", [2.0, 2.0], [0.0, 7.0])]
    told = nested_choice([*rows, cell("a", "1", [9.0], [9.0])])
    assert told.startswith("chosen by the inner folds and measured on the 2 outer ones: rmse 6 ± 1.4142, 95 % interval")
    assert told.endswith("chosen: model=a in 1, model=b in 1")
    assert nested_choice(rows[:1]) is None
    more = [cell("a", "1", [1.0, 1.0], [2.0, 2.0]), cell("b", "1", [2.0, 2.0], [0.0, 0.0])]
    assert "the 4 outer ones: rmse 4 ±" in nested_choice([*rows, *more])

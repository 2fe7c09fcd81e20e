"""Curves of functions whose dependence is known."""

from dataclasses import replace

import numpy as np
import torch
from tests.explain.kit import Function, scores, sources
from torch import nn

from colonnade.data.columns import MISSING_TIME, RawColumns
from colonnade.data.lookup import Category, Lookup
from colonnade.explain.dependence import LEVELS, POINTS, dependence
from colonnade.explain.game import Game

N = 300
LOOKUP = Lookup(num=("a", "b"), cat=(Category("c", False, tuple(f"level {i}" for i in range(20))),), time=("d",))


class AsNumbers(nn.Module):
    """Numbers, the code and the days, side by side."""

    def forward(self, num, cat, time):
        return torch.cat([num.nan_to_num(), cat.double(), time.double() / 1e6], 1), cat[:, :0]


def raw():
    g = torch.Generator().manual_seed(0)
    a = torch.randn(N, generator=g, dtype=torch.float64)
    b = a + 0.1 * torch.randn(N, generator=g, dtype=torch.float64)
    num = torch.stack([a, b], 1)
    num[::10, 1] = torch.nan
    cat = torch.randint(0, 22, (N, 1), generator=g)
    time = torch.randint(0, 100, (N, 1), generator=g) * 1_000_000
    time[::10] = MISSING_TIME
    return RawColumns(num=num, cat=cat, time=time)


def curve(function, column, rows=None):
    game = Game(Function(function), scores(), sources(4))
    return dependence(game, AsNumbers(), LOOKUP, column, raw() if rows is None else rows, N)


def test_an_additive_function_is_found_by_both():
    found = curve(lambda x: (x[:, 0] ** 2 + x[:, 2])[:, None], 0)
    grid = np.asarray(found.grid)
    rows = raw()
    assert (found.column, found.kind, len(grid)) == ("a", "number", POINTS)
    assert (grid[0], grid[-1]) == (rows.num[:, 0].min(), rows.num[:, 0].max())
    np.testing.assert_allclose(found.partial[:, 0], grid**2 + rows.cat.double().mean().item())
    np.testing.assert_allclose(np.diff(found.ale[:, 0]), np.diff(grid**2), atol=1e-9)
    # Its mean over the rows is zero, between the points on a straight line.
    values = rows.num[:, 0].numpy()
    middle = np.array([(found.ale[i, 0] + found.ale[i + 1, 0]) / 2 for i in range(len(grid) - 1)])
    interval = np.clip(np.searchsorted(grid, values) - 1, 0, len(grid) - 2)
    assert abs(middle[interval].mean()) < 1e-12


def test_local_effects_stay_near_the_rows_where_columns_are_correlated():
    """Of a * b with b close to a, the effect of a alone is a**2 / 2, whereas its partial dependence is flat."""
    equal = torch.linspace(-2, 2, N, dtype=torch.float64)[:, None].repeat(1, 2)
    found = curve(lambda x: (x[:, 0] * x[:, 1])[:, None], 0, replace(raw(), num=equal))
    grid = np.asarray(found.grid)
    np.testing.assert_allclose(np.diff(found.ale[:, 0]), np.diff(grid**2 / 2), atol=0.02)
    assert np.abs(found.partial).max() < 1e-9


def test_categories_and_datetimes():
    found = curve(lambda x: x[:, 2:3], 2)
    assert (found.kind, len(found.grid), found.ale) == ("category", LEVELS, None)
    codes = [{"(missing)": 0, "(unknown)": 1}.get(text) for text in found.grid]
    codes = [int(text.split()[-1]) + 2 if code is None else code for text, code in zip(found.grid, codes)]
    np.testing.assert_allclose(found.partial[:, 0], codes)
    counts = torch.bincount(raw().cat[:, 0], minlength=22)
    assert counts[codes].tolist() == sorted(counts.tolist(), reverse=True)[:LEVELS]
    day = curve(lambda x: x[:, 3:4], 3)
    assert day.kind == "datetime"
    assert min(day.grid) >= 0
    np.testing.assert_allclose(day.partial[:, 0], np.asarray(day.grid) / 1e6)
    np.testing.assert_allclose(np.diff(day.ale[:, 0]), np.diff(np.asarray(day.grid) / 1e6))


def test_a_column_without_values_has_one_point():
    rows = raw()
    rows.num[:, 1] = torch.nan
    found = curve(lambda x: x[:, 1:2], 1, rows)
    assert (found.grid, found.partial.tolist(), found.ale.tolist()) == ([0.0], [[0.0]], [[0.0]])

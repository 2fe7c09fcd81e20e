"""Both searches among knots against torch, and against each other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from colonnade.data.steps.knots import Grid, search
from colonnade.data.steps.quantile import tables

LARGEST = torch.finfo(torch.float64).max
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def knots_of(columns: list[list[float]]) -> Tensor:
    return tables(torch.tensor([sorted(column) for column in columns], dtype=torch.float64))["knots"]


def by_grid(grid: Grid, x: Tensor, group: int) -> Tensor:
    """Positions that the grid finds, a few of its columns at a time, as :func:`search` gives them."""
    found = torch.empty(x.shape, dtype=torch.int64)
    for start in range(0, len(x), group):
        columns = grid.order[start : start + group]
        place = grid(x[columns], start).view(len(columns), -1)
        found[columns] = place - (start + torch.arange(len(columns))[:, None]) * grid.width
    return found


def near(knots: Tensor) -> Tensor:
    """The knots, their neighbours among the floats, what lies beyond them, and NaN."""
    values = knots[knots.isfinite()]
    ends = torch.tensor([torch.inf, -torch.inf, torch.nan, 0.0, 1e308, -1e308], dtype=torch.float64)
    sides = [torch.nextafter(values, torch.full_like(values, end)) for end in (-torch.inf, torch.inf)]
    return torch.cat([values, *sides, ends]).expand(len(knots), -1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 2**31))
def test_search_is_that_of_torch(values: list[float], seed: int) -> None:
    knots = knots_of([values])
    fresh = torch.from_numpy(np.random.default_rng(seed).uniform(-1.1e6, 1.1e6, (1, 20)))
    x = torch.cat([fresh, torch.tensor([values], dtype=torch.float64)], 1)
    assert torch.equal(search(knots, x), torch.searchsorted(knots, x, right=True) - 1)


@settings(max_examples=300)
@given(st.integers(2, 40).flatmap(lambda n: st.lists(st.lists(FLOATS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_the_grid_finds_what_the_search_finds(columns: list[list[float]]) -> None:
    knots = knots_of(columns)
    x = near(knots)
    for group in (1, 3):
        assert torch.equal(by_grid(Grid(knots), x, group), search(knots, x.clamp(max=LARGEST)))


@pytest.mark.parametrize("n", [2, 255, 256, 1000])
def test_columns_of_all_shapes(n: int) -> None:
    rng = np.random.default_rng(0)
    normal = np.sort(rng.normal(size=n))
    spike = np.sort(np.where(rng.random(n) < 0.1, 1e-7 * normal, normal))
    columns = [normal, np.exp(5 * normal), normal.round(1), spike, np.full(n, 3.0), 1e308 * normal.clip(-1, 1)]
    knots = tables(torch.from_numpy(np.stack(columns)))["knots"]
    grid = Grid(knots)
    x = torch.cat([near(knots), torch.from_numpy(rng.normal(size=(6, 500)))], 1)
    for group in (1, 4, 6):
        assert torch.equal(by_grid(grid, x, group), search(knots, x.clamp(max=LARGEST)))


def test_even_knots_take_one_step_and_skewed_ones_more() -> None:
    even, skewed = np.linspace(0, 1, 1000), np.geomspace(1e-9, 1, 1000)
    grid = Grid(tables(torch.from_numpy(np.stack([skewed, even])))["knots"])
    assert grid.order.tolist() == [1, 0]
    assert grid.steps == [1, 10]


def test_nothing_of_the_grid_is_stored() -> None:
    assert not Grid(knots_of([[1.0, 2.0]])).state_dict()

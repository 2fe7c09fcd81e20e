"""Statistics against numpy."""

import numpy as np
import torch

from colonnade.data.steps.statistics import extremes, moments, quantiles


def example() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 101))
    values[1, ::3] = np.nan
    values[2] = 5.0
    return values


def test_quantiles_are_those_of_numpy() -> None:
    values, levels = example(), np.array([0.0, 0.1, 0.25, 0.5, 0.999, 1.0])
    found = quantiles(torch.from_numpy(values), torch.from_numpy(levels))
    np.testing.assert_allclose(found, np.nanquantile(values, levels, axis=1).T, rtol=1e-14)


def test_moments_are_those_of_numpy() -> None:
    mean, scale = moments(torch.from_numpy(example()))
    np.testing.assert_allclose(mean, np.nanmean(example(), 1), rtol=1e-12)
    np.testing.assert_allclose(scale, np.nanstd(example(), 1), rtol=1e-12)


def test_rounding_is_no_deviation() -> None:
    constant = torch.full((1, 10_007), 0.1, dtype=torch.float64)
    assert moments(constant)[1].item() == 0


def test_a_column_without_values() -> None:
    empty = torch.full((1, 5), torch.nan, dtype=torch.float64)
    assert quantiles(empty, torch.tensor([0.5], dtype=torch.float64)).isnan().all()
    assert all(values.isnan().all() for values in moments(empty))
    assert [values.item() for values in extremes(empty)] == [np.inf, -np.inf]


def test_extremes() -> None:
    least, largest = extremes(torch.from_numpy(example()))
    np.testing.assert_array_equal(least, np.nanmin(example(), 1))
    np.testing.assert_array_equal(largest, np.nanmax(example(), 1))


def test_many_columns_are_as_each_by_itself() -> None:
    num = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 40_000)))
    num[2, ::3] = torch.nan
    levels = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert torch.equal(quantiles(num, levels), torch.cat([quantiles(column[None], levels) for column in num]))
    for i in range(2):
        assert torch.equal(moments(num)[i], torch.cat([moments(column[None])[i] for column in num]))

"""Windows in their own units."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.nhits import NHiTS
from colonnade.nn.forecast import ForecastNetwork
from colonnade.testing.forecasts import toy_batch, toy_spec

SMALL = partial(NHiTS, d_hidden=16, pool=(2, 1), downsample=(2, 1))


def network(scaling="window", spec=None):
    torch.manual_seed(0)
    return ForecastNetwork(spec=spec or toy_spec(), backbone=SMALL, scaling=scaling)


def test_a_series_a_thousand_times_as_large_is_forecast_a_thousand_times_as_large():
    spec, model = toy_spec(), network()
    batch = toy_batch(spec)
    factor, level = torch.tensor([1e3, 1.0, 1e-3]), torch.tensor([50.0, 0.0, -2.0])
    other = Batch(num=batch.num * factor + level, cat=batch.cat)
    one, two = model(batch), model(other)
    # Channels 2 and 0 are forecast.
    factor, level = factor[[2, 0]].repeat(6), level[[2, 0]].repeat(6)
    torch.testing.assert_close(two.raw, one.raw * factor + level, rtol=1e-3, atol=1e-3 * level.abs().max().item())
    torch.testing.assert_close(two.unit, one.unit * factor, rtol=1e-3, atol=0)


def test_the_backbone_sees_windows_of_mean_0_and_deviation_1_and_other_columns_as_they_are():
    model, seen = network(), []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = toy_batch(toy_spec())
    found = model(batch)
    num = seen[0]
    for channel in (0, 2):
        torch.testing.assert_close(num[..., channel].mean(1), torch.zeros(8), atol=1e-5, rtol=0)
        torch.testing.assert_close(num[..., channel].std(1, correction=0), torch.ones(8))
    assert num[..., 1].equal(batch.num[..., 1])
    plain = network(None)
    inside = plain(Batch(num=num[..., :3], cat=batch.cat)).raw
    unit, level = batch.num.std(1, correction=0)[:, [2, 0]], batch.num.mean(1)[:, [2, 0]]
    torch.testing.assert_close(found.unit, unit.repeat(1, 6))
    torch.testing.assert_close(found.raw[:, 0], inside[:, 0] * unit.repeat(1, 6) + level.repeat(1, 6))
    assert plain(batch).unit is None


def test_a_window_that_does_not_change_keeps_the_units_of_all():
    batch = toy_batch(toy_spec())
    found = network()(replace(batch, num=torch.full_like(batch.num, 1 / 3)))
    assert found.unit.equal(torch.ones(8, 12))
    assert found.raw.isfinite().all()


def test_what_cannot_be_scaled():
    with pytest.raises(
        ConfigError, match=r"model.scaling=window scales a value for each step, and the task asks for \(12, 3\)"
    ):
        network(spec=replace(toy_spec(), out_shape=(12, 3)))

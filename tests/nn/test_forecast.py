"""Several numbers of a step, and windows in their own units."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.nhits import NHiTS
from colonnade.nn.backbones.nlinear import NLinear
from colonnade.nn.forecast import Ahead, ForecastNetwork
from colonnade.testing.forecasts import toy_batch, toy_spec

DISTRIBUTION = ("level", "log_scale", "free")


def test_levels_move_and_stretch_deviations_stretch_and_the_rest_stays():
    ahead = torch.arange(6.0).view(1, 1, 6)
    location, scale = torch.full((1, 1, 1), 10.0), torch.full((1, 1, 1), 2.0)
    window = Window(context=4, horizon=6, channels=(0,), roles=DISTRIBUTION)
    log = torch.tensor(2.0).log().item()
    expected = torch.tensor([[[10.0, 12.0, 2.0 + log, 3.0 + log, 4.0, 5.0]]])
    torch.testing.assert_close(window.placed(ahead, location, scale), expected)
    assert window.placed(ahead, location).tolist() == [[[10.0, 11.0, 2.0, 3.0, 4.0, 5.0]]]
    assert window.levels == 2
    plain = replace(window, roles=())
    assert plain.placed(ahead, location, scale).tolist() == [[[10.0, 12.0, 14.0, 16.0, 18.0, 20.0]]]
    assert plain.levels == 6


def test_all_targets_of_the_first_number_stand_first():
    head = Ahead(d_in=6, n_members=1, out_shape=(3, 2))
    assert head(torch.arange(6.0).view(1, 1, 6)).tolist() == [[[[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]]]
    point = torch.randn(2, 1, 6)
    assert Ahead(d_in=6, n_members=1, out_shape=(6,))(point) is point


def test_a_quantile_is_a_forecast_by_its_own_rows_of_the_map():
    spec = replace(toy_spec(channels=(2, 0)), out_shape=(12, 3))
    network = ForecastNetwork(spec=spec, backbone=NLinear)
    batch = toy_batch(spec)
    found = network(batch).raw
    assert found.shape == (8, 1, 12, 3)
    for q in range(3):
        alone = ForecastNetwork(spec=toy_spec(channels=(2, 0)), backbone=NLinear)
        rows = slice(6 * q, 6 * (q + 1))
        whole = network.backbone.linear
        alone.backbone.linear.load_state_dict({"weight": whole.weight[rows], "bias": whole.bias[rows]})
        torch.testing.assert_close(found[..., q], alone(batch).raw)


def test_a_deviation_of_a_linear_forecast_is_that_of_a_step_ahead():
    spec = replace(toy_spec(), out_shape=(12, 3), roles=DISTRIBUTION)
    network = ForecastNetwork(spec=spec, backbone=NLinear)
    with torch.no_grad():
        network.backbone.steady.value.copy_(torch.arange(12.0))
    batch = toy_batch(spec)
    found = network(batch).raw
    assert (found[0, 0, :, 1:] == found[1:, 0, :, 1:]).all()
    # Six steps ahead of two channels, which share their numbers.
    assert found[0, 0, :, 1].tolist() == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]
    moved = network(Batch(num=batch.num + 5, cat=batch.cat)).raw
    torch.testing.assert_close(moved[..., 0], found[..., 0] + 5)


SMALL = partial(NHiTS, d_hidden=16, pool=(2, 1), downsample=(2, 1))


def network(scaling="window", spec=None):
    torch.manual_seed(0)
    return ForecastNetwork(spec=spec or toy_spec(), backbone=SMALL, scaling=scaling)


def test_a_program_takes_any_number_of_windows():
    class Plain(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, num, cat):
            return self.model(Batch(num=num, cat=cat)).raw

    spec, plain = toy_spec(), Plain(network().eval())
    batch, free = toy_batch(spec), {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(plain, (batch.num, batch.cat), dynamic_shapes=(free, free)).module()
    one = batch.rows(0, 1)
    torch.testing.assert_close(program(one.num, one.cat), plain(one.num, one.cat))


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


def test_quantiles_are_brought_back_too():
    batch = toy_batch(toy_spec())
    level, unit = (of[:, [2, 0]].repeat(1, 6)[:, None] for of in (batch.num.mean(1), batch.num.std(1, correction=0)))
    num = (batch.num - batch.num.mean(1, keepdim=True)) / batch.num.std(1, correction=0, keepdim=True)
    num[..., 1] = batch.num[..., 1]
    spec = replace(toy_spec(), out_shape=(12, 3))
    inside, found = network(None, spec)(Batch(num=num, cat=batch.cat)).raw, network(spec=spec)(batch)
    assert inside.shape == (8, 1, 12, 3)
    for q in range(3):
        torch.testing.assert_close(found.raw[..., q], inside[..., q] * unit + level)
    torch.testing.assert_close(found.unit, unit[:, 0])


def test_what_cannot_be_scaled():
    with pytest.raises(ConfigError, match=r"scales values and quantiles, .* a distribution \(level, log_scale, free\)"):
        network(spec=replace(toy_spec(), out_shape=(12, 3), roles=DISTRIBUTION))
    with pytest.raises(ValueError, match="scaling='series': window or null"):
        network("series")

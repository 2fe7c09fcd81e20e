"""Several numbers of a step: what a backbone sees of them, and where they end up."""

from dataclasses import replace

import torch

from colonnade.core.batch import Batch
from colonnade.nn.backbones.forecast import Window
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

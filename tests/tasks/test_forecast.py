"""Forecasts: loss and measures in z-units, predictions in those of the data."""

from dataclasses import replace

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.tasks.forecast import Forecast
from colonnade.testing.tasks import example_spec


def ready(**options):
    spec = replace(
        example_spec(TargetKind.REAL),
        target_names=("a+1", "b+1", "a+2", "b+2", "a+3", "b+3"),
        target_mean=(100.0, -2.0) * 3,
        target_scale=(10.0, 0.5) * 3,
        n_steps=8,
        horizon=3,
        channels=(0, 1),
    )
    task = Forecast(**options)
    task.setup(spec)
    return task


def test_measures_are_means_over_windows_steps_and_values_in_z_units():
    task = ready()
    raw, target = torch.randn(7, 1, 6), torch.randn(7, 6)
    found = task.metrics(task.decode(raw), target, None)
    error = (raw[:, 0] - target).double().view(7, 3, 2)
    assert found == pytest.approx(
        {
            "mse": error.square().mean().item(),
            "mse/a": error[..., 0].square().mean().item(),
            "mse/b": error[..., 1].square().mean().item(),
            "mae": error.abs().mean().item(),
            "mae/a": error[..., 0].abs().mean().item(),
            "mae/b": error[..., 1].abs().mean().item(),
        },
        rel=1e-5,
    )


def test_weights_are_those_of_windows():
    task = ready()
    raw, target = torch.randn(4, 1, 6), torch.randn(4, 6)
    weighted = task.metrics(task.decode(raw), target, torch.tensor([1.0, 0.0, 2.0, 0.0]))
    repeated = task.metrics(task.decode(raw[[0, 2, 2]]), target[[0, 2, 2]], None)
    assert weighted == pytest.approx(repeated)


def test_predictions_are_in_the_units_of_the_data():
    value = ready().decode(torch.tensor([[[1.0, 2.0, 0.0, 0.0, -1.0, 4.0]]]))["value"]
    assert value.tolist() == [[110.0, -1.0, 100.0, -2.0, 90.0, 0.0]]


def test_no_rows_are_undefined():
    task = ready()
    found = task.metrics(task.decode(torch.zeros(0, 1, 6)), torch.zeros(0, 6), None)
    assert all(value != value for value in found.values())


def test_without_a_horizon_there_is_nothing_to_forecast():
    with pytest.raises(ConfigError, match=r"task=forecast forecasts series, .*: set data.horizon and data.context"):
        Forecast().setup(example_spec(TargetKind.REAL))


def test_what_can_be_monitored():
    assert ready(monitor="val/mae").monitor == "val/mae"
    with pytest.raises(ConfigError, match="task.monitor='val/rmse' cannot be monitored: task=forecast measures"):
        Forecast(monitor="val/rmse")

"""Forecasts: loss and measures in z-units, predictions in those of the data."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.tasks.forecast import Forecast
from colonnade.tasks.forecast_distribution import ForecastDistribution
from colonnade.tasks.forecast_quantile import ForecastQuantile
from colonnade.testing.tasks import example_spec

NAIVE = (5.0, 2.0)


def spec_of(**more):
    return replace(
        example_spec(TargetKind.REAL),
        target_names=("a+1", "b+1", "a+2", "b+2", "a+3", "b+3"),
        target_mean=(100.0, -2.0) * 3,
        target_scale=(10.0, 0.5) * 3,
        n_steps=8,
        horizon=3,
        channels=(0, 1),
        naive_error=NAIVE * 3,
        **more,
    )


def ready(task=Forecast, **options):
    made = task(**options)
    made.setup(spec_of())
    return made


def test_measures_are_means_over_windows_steps_and_values_in_z_units():
    task = ready()
    raw, target = torch.randn(7, 1, 6), torch.randn(7, 6)
    found = task.metrics(task.decode(raw), target, None)
    error = (raw[:, 0] - target).double().view(7, 3, 2)
    size = [
        (task.truth(target).view(7, 3, 2)[..., c].abs() + task.decode(raw)["value"].view(7, 3, 2)[..., c].abs())
        for c in range(2)
    ]
    scale = torch.tensor([10.0, 0.5], dtype=torch.float64)
    of_value = {
        "mse": [error[..., c].square().mean().item() for c in range(2)],
        "mae": [error[..., c].abs().mean().item() for c in range(2)],
        "rmse": [error[..., c].square().mean().sqrt().item() for c in range(2)],
        "mase": [(error[..., c].abs().mean() * scale[c] / NAIVE[c]).item() for c in range(2)],
        "smape": [(200 * error[..., c].abs() * scale[c] / size[c]).mean().item() for c in range(2)],
    }
    expected = {name: sum(values) / 2 for name, values in of_value.items()}
    expected |= {f"{name}/{key}": v for name, values in of_value.items() for key, v in zip("ab", values)}
    assert found == pytest.approx(expected, rel=1e-5)
    # Of the mean square it is the mean of all.
    assert found["mse"] == pytest.approx(error.square().mean().item())


TASKS = {
    "mse": Forecast,
    "mae": partial(Forecast, loss="mae"),
    "quantile": ForecastQuantile,
    "gaussian": ForecastDistribution,
    "student_t": partial(ForecastDistribution, distribution="student_t"),
    "counts": partial(ForecastDistribution, distribution="negative_binomial"),
}


@pytest.mark.parametrize("name", TASKS)
def test_what_is_missing_counts_for_nothing(name):
    """Loss, its gradient and every measure against those of each value that is there, one by one."""
    task, whole, one = (TASKS[name]() for _ in range(3))
    task.setup(spec_of(gaps=True, counts=True))
    whole.setup(spec_of(counts=True))
    raw = torch.randn(5, 2, *task.out_shape(task.spec), requires_grad=True)
    target = torch.randint(0, 9, (5, 6)).float()
    torch.testing.assert_close(task.row_loss(raw, target), whole.row_loss(raw, target))
    gone = torch.zeros(5, 6, dtype=torch.bool)
    gone[0, 0] = gone[2, 1:4] = gone[3] = True
    losses = torch.zeros(5)
    for row in range(5):
        alone = []
        for t in (~gone[row]).nonzero().flatten().tolist():
            spec = whole.spec
            names, mean, scale = ((of[t],) for of in (spec.target_names, spec.target_mean, spec.target_scale))
            one.setup(replace(spec, target_names=names, target_mean=mean, target_scale=scale, channels=(0,)))
            alone.append(one.row_loss(raw[row : row + 1, :, t : t + 1], target[row : row + 1, t : t + 1]))
        losses[row] = torch.cat(alone).mean() if alone else 0.0
    holes = target.masked_fill(gone, torch.nan)
    found = task.row_loss(raw, holes)
    torch.testing.assert_close(found, losses)
    found.sum().backward()
    assert raw.grad.isfinite().all()
    assert not raw.grad.movedim(1, -1)[gone].any()
    measured = task.metrics(task.decode(raw.detach()), holes, None)
    steps = task.by_step(task.decode(raw.detach()), task.truth(holes))
    for c, value in enumerate("ab"):
        rows = [(row, t) for row in range(5) for t in range(c, 6, 2) if not gone[row, t]]
        decoded = task.decode(raw.detach())["value"]
        error = torch.stack([decoded[at] - task.truth(target)[at] for at in rows]).abs()
        assert measured[f"mae/{value}"] == pytest.approx((error.mean() / task.spec.target_scale[c]).item())
    last = [row for row in range(5) if not gone[row, 5]]
    error = (task.decode(raw.detach())["value"][last, 5] - task.truth(target)[last, 5]).abs()
    assert steps["mae"][2, 1].item() == pytest.approx(error.mean().item() / 0.5)


def test_each_step_ahead_and_each_series_are_measured_by_themselves():
    task = ready()
    raw, target = torch.randn(7, 1, 6), torch.randn(7, 6)
    prediction, truth = task.decode(raw), task.truth(target)
    error = (raw[:, 0] - target).double().view(7, 3, 2)
    steps = task.by_step(prediction, truth)
    torch.testing.assert_close(steps["mae"], error.abs().mean(0), rtol=1e-5, atol=1e-6)
    naive = torch.tensor([[1.0, 4.0], [2.0, 0.5]], dtype=torch.float64)
    of_series = task.of_series({"value": prediction["value"][:6]}, truth[:6], naive)
    mae = error[:6].view(2, 9, 2).abs().mean(1) * torch.tensor([10.0, 0.5])
    torch.testing.assert_close(of_series["mase"], mae / naive, rtol=1e-5, atol=1e-6)


def test_many_series_are_measured_as_each_would_be():
    quantiles = (0.1, 0.5, 0.9)
    task = ready(ForecastQuantile, quantiles=quantiles)
    prediction, truth = task.decode(torch.randn(12, 1, 6, 3)), task.truth(torch.randn(12, 6))
    truth[5, 2] = truth[6:9, 1::2] = torch.nan
    naive = torch.rand(4, 2, dtype=torch.float64) + 0.5
    found = task.of_series(prediction, truth, naive)
    assert set(found) == set(task.measures)
    for i in range(4):
        part = slice(3 * i, 3 * i + 3)
        alone = task.of_series({k: v[part] for k, v in prediction.items()}, truth[part], naive[i : i + 1])
        for name, values in alone.items():
            torch.testing.assert_close(found[name][i : i + 1], values, equal_nan=True)
    assert found["mse"][2].isnan().tolist() == [False, True]


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
    assert ready(monitor="val/mase").monitor == "val/mase"
    with pytest.raises(ConfigError, match="task.monitor='val/r2' cannot be monitored: task=forecast measures"):
        Forecast(monitor="val/r2")
    with pytest.raises(ConfigError, match="task.mode='max' would keep the worst epoch: val/smape is good when it is"):
        Forecast(monitor="val/smape", mode="max")

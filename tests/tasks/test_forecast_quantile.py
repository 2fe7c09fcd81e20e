"""Quantile forecasts: the pinball loss of each step, quantiles in order, and what is measured of them."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from colonnade.core.errors import ConfigError
from colonnade.tasks.forecast_quantile import ForecastQuantile

from .test_forecast import ready

LEVELS = (0.1, 0.5, 0.9)


def test_the_loss_and_the_measure_are_the_pinball_loss_in_z_units():
    task = ready(ForecastQuantile, quantiles=LEVELS)
    raw, target = torch.randn(7, 1, 6, 3).sort(-1).values, torch.randn(7, 6)
    expected = np.mean(
        [mean_pinball_loss(target.flatten(), raw[:, 0, :, q].flatten(), alpha=level) for q, level in enumerate(LEVELS)]
    )
    assert task.row_loss(raw, target).mean().item() == pytest.approx(expected, rel=1e-5)
    found = task.metrics(task.decode(raw), target, None)
    assert found["pinball_loss"] == pytest.approx(expected, rel=1e-5)
    assert found["mae"] == pytest.approx((raw[:, 0, :, 1] - target).abs().mean().item(), rel=1e-5)
    inside = (raw[:, 0, :, 0] <= target) & (target <= raw[:, 0, :, 2])
    assert found["coverage/0.8"] == pytest.approx(inside.double().mean().item())
    assert found["width/0.8"] == pytest.approx((raw[:, 0, :, 2] - raw[:, 0, :, 0]).mean().item(), rel=1e-5)


def test_quantiles_never_cross_and_the_prediction_is_the_median():
    task = ready(ForecastQuantile, quantiles=LEVELS)
    found = task.decode(torch.randn(50, 2, 6, 3))
    assert (found["quantile"].diff(dim=-1) >= 0).all()
    assert torch.equal(found["value"], found["quantile"][..., 1])


def test_what_is_no_list_of_levels_is_refused():
    with pytest.raises(ValueError, match=r"quantiles=\[0.1, 0.9\] must increase within \(0, 1\) and include 0.5"):
        ForecastQuantile(quantiles=(0.1, 0.9))
    with pytest.raises(ConfigError, match="task.monitor='val/mape' cannot be monitored: task=forecast_quantile"):
        ForecastQuantile(monitor="val/mape")

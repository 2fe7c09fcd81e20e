"""Measures of forecasts, beside TorchMetrics and by hand."""

import pytest
import torch
from torchmetrics.functional import (
    mean_absolute_error,
    mean_squared_error,
    symmetric_mean_absolute_percentage_error,
)

from colonnade.tasks.measures import steps
from colonnade.tasks.measures.steps import Steps


def rows(weight=None, naive=3.0):
    generator = torch.Generator().manual_seed(0)
    value, target = (5 + torch.randn(30, 2, generator=generator).double() for _ in range(2))
    return Steps(
        prediction={"value": value},
        target=target,
        weight=weight,
        scale=torch.tensor([2.0, 0.1], dtype=torch.float64),
        naive=torch.tensor([naive, 0.5], dtype=torch.float64),
    )


@pytest.mark.parametrize("c", [0, 1])
def test_errors_are_those_of_torchmetrics(c):
    found = rows()
    value, target, scale = found.prediction["value"][:, c], found.target[:, c], found.scale[c]
    mae, mse = mean_absolute_error(value, target), mean_squared_error(value, target)
    assert steps.mae(found)[c].item() == pytest.approx((mae / scale).item())
    assert steps.mse(found)[c].item() == pytest.approx((mse / scale**2).item())
    assert steps.rmse(found)[c].item() == pytest.approx((mse.sqrt() / scale).item())
    assert steps.mase(found)[c].item() == pytest.approx((mae / found.naive[c]).item())
    smape = symmetric_mean_absolute_percentage_error(value, target)
    assert steps.smape(found)[c].item() == pytest.approx(100 * smape.item(), rel=1e-5)


def test_nothing_forecast_as_nothing_is_no_error():
    nothing = Steps(
        prediction={"value": torch.zeros(3, 1), "quantile": torch.zeros(3, 1, 1)},
        target=torch.zeros(3, 1, dtype=torch.float64),
        weight=None,
        scale=torch.ones(1, dtype=torch.float64),
        naive=torch.zeros(1, dtype=torch.float64),
    )
    assert steps.smape(nothing).item() == 0
    # Over nothing, an error has no size.
    assert steps.mase(nothing).isnan().all()
    assert steps.wql(nothing, quantiles=(0.5,)).isnan().all()

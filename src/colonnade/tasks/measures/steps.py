"""Measures of forecasts, one value for each column of :class:`Steps`.

``mse``, ``mae``, ``rmse``, ``pinball_loss`` and ``width`` are in standard deviations of the train steps (z-units), so
that values of different units weigh the same; ``smape`` is in per cent, the others have no unit.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.tasks.measures import values
from colonnade.tasks.measures.rows import Rows, row_mean


@dataclass(frozen=True)
class Steps(Rows):
    """Forecast steps beside what came, in the units of the data.

    Args:
        prediction: ``value (N, T)``, and ``quantile (N, T, Q)`` where there are any.
        target: ``(N, T)``.
        weight: ``(N,)`` float64, positive; None means one.
        scale: ``(T,)`` standard deviation of the train steps.
        naive: ``(T,)`` mean absolute difference of the train steps to those a season before.
    """

    scale: Tensor
    naive: Tensor


def mse(steps: Steps) -> Float[Tensor, "t"]:
    """Mean squared error, in squared z-units."""
    return values.mse(steps) / steps.scale.square()


def rmse(steps: Steps) -> Float[Tensor, "t"]:
    """Root of the mean squared error, in z-units."""
    return values.rmse(steps) / steps.scale


def mae(steps: Steps) -> Float[Tensor, "t"]:
    """Mean absolute error, in z-units."""
    return values.mae(steps) / steps.scale


def mase(steps: Steps) -> Float[Tensor, "t"]:
    """Mean absolute scaled error (Hyndman and Koehler, 2006): over that of a seasonal naive forecast of the train
    steps; below 1 is better than that. NaN where that has no error."""
    return values.mae(steps) / torch.where(steps.naive > 0, steps.naive, torch.nan)


def smape(steps: Steps) -> Float[Tensor, "t"]:
    """Symmetric mean absolute percentage error, 0 to 200 (that of the M4 competition): ``200 |y - f| / (|y| + |f|)``; 0
    where both are."""
    value = steps.prediction["value"].to(torch.float64)
    error, size = (value - steps.target).abs(), value.abs() + steps.target.abs()
    return row_mean(200 * error / torch.where(size > 0, size, 1.0), steps.weight)


def pinball_loss(steps: Steps, *, quantiles: tuple[float, ...]) -> Float[Tensor, "t"]:
    """Mean over rows and quantiles of the pinball loss, in z-units. Twice it comes to the continuous ranked probability
    score, the nearer the more quantiles there are."""
    return values.pinball_loss(steps, quantiles=quantiles) / steps.scale


def wql(steps: Steps, *, quantiles: tuple[float, ...]) -> Float[Tensor, "t"]:
    """Weighted quantile loss: twice the pinball loss, averaged over the quantiles, over the mean size of what came."""
    size = row_mean(steps.target.abs(), steps.weight)
    return 2 * values.pinball_loss(steps, quantiles=quantiles) / torch.where(size > 0, size, torch.nan)


def coverage(steps: Steps, *, low: int, high: int) -> Float[Tensor, "t"]:
    """Share of the steps that lie between two quantiles, given by their positions."""
    return values.coverage(steps, low=low, high=high)


def width(steps: Steps, *, low: int, high: int) -> Float[Tensor, "t"]:
    """Mean distance of two quantiles, in z-units."""
    return values.width(steps, low=low, high=high) / steps.scale

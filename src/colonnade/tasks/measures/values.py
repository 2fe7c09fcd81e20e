"""Measures of predicted numbers and quantiles, one value for each target.

Everything is a mean over rows in float64. ``r2_score`` of TorchMetrics is not used: it takes sums of squares below 1e-4
for zero, so that it calls a target measured in small units perfectly predicted.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.tasks.measures.rows import Rows, row_mean


def mse(rows: Rows) -> Float[Tensor, "t"]:
    """Mean squared error."""
    return row_mean(_error(rows).square(), rows.weight)


def rmse(rows: Rows) -> Float[Tensor, "t"]:
    """Root of the mean squared error, in the units of the target."""
    return mse(rows).sqrt()


def mae(rows: Rows) -> Float[Tensor, "t"]:
    """Mean absolute error, in the units of the target."""
    return row_mean(_error(rows).abs(), rows.weight)


def r2(rows: Rows) -> Float[Tensor, "t"]:
    """Coefficient of determination: one minus squared error over variance; NaN where the target is constant."""
    variance = row_mean((rows.target - row_mean(rows.target, rows.weight)).square(), rows.weight)
    constant = (rows.target == rows.target[:1]).all(0)
    return torch.where(constant, torch.nan, 1 - mse(rows) / variance)


def pinball_loss(rows: Rows, *, quantiles: tuple[float, ...]) -> Float[Tensor, "t"]:
    """Mean over rows and quantiles of ``max(q e, (q - 1) e)``, where ``e`` is truth minus prediction."""
    error = rows.target[:, :, None] - rows.prediction["quantile"].to(torch.float64)
    q = torch.tensor(quantiles, dtype=torch.float64, device=error.device)
    return row_mean(torch.maximum(q * error, (q - 1) * error), rows.weight).mean(1)


def coverage(rows: Rows, *, low: int, high: int) -> Float[Tensor, "t"]:
    """Share of the rows that lie between two predicted quantiles, given by their positions, the ends included."""
    quantile = rows.prediction["quantile"]
    inside = (quantile[..., low] <= rows.target) & (rows.target <= quantile[..., high])
    return row_mean(inside, rows.weight)


def width(rows: Rows, *, low: int, high: int) -> Float[Tensor, "t"]:
    """Mean distance of two predicted quantiles, in the units of the target."""
    quantile = rows.prediction["quantile"]
    return row_mean(quantile[..., high] - quantile[..., low], rows.weight)


def _error(rows: Rows) -> Float[Tensor, "n t"]:
    return rows.prediction["value"].to(torch.float64) - rows.target

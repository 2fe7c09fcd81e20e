"""Theta: exponential smoothing with half of the trend."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Job
from colonnade.baselines.seasonal import seasonal_pattern
from colonnade.baselines.series import SeriesBaseline, long_enough, spread
from colonnade.core.errors import ConfigError
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec

# Series on which the smoothing is estimated, evenly chosen.
SERIES = 100
LEAST = 1e-4


class Theta(SeriesBaseline):
    """Simple exponential smoothing of the deseasonalised steps, and a part of the slope of the straight line through
    them; the season is put back.

    Assimakopoulos and Nikolopoulos, *The theta model*, International Journal of Forecasting 2000, which won the M3
    competition; in the form of Hyndman and Billah, 2003.

    The smoothing parameter of each value is the one that statsmodels' ``ThetaModel`` finds on the train steps, of
    several series the median. Season (classical decomposition, multiplied where all train steps are above 0) and slope
    are those of the window: so a forecast sees what all models see, ``data.context`` steps, and a new series can be
    forecast.

    Args:
        spec: of the data, with ``horizon``.
        period: steps of a season; None: ``data.season``.
        theta: how much curvature is left, 1 or more: ``(theta - 1) / theta`` of the slope is added.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: ``data.context`` is shorter than two seasons.
    """

    def __init__(self, *, spec: BatchSpec, period: int | None = None, theta: float = 2.0) -> None:
        super().__init__(spec=spec, period=period)
        if not theta >= 1:
            raise ValueError(f"theta={theta} must be 1 or more")
        self.least = max(2 * self.period, 3)
        if self.context < self.least:
            raise ConfigError(
                f"theta finds the season of a window in two of them, {self.least} steps (model.period={self.period}), "
                f"and data.context={self.context} is less: a longer context, or model.period=1"
            )
        self.weight = (theta - 1) / theta
        self.register_buffer("alpha", torch.empty(0))
        self.register_buffer("multiplies", torch.empty(0))

    def learn(self, series: Sequence[np.ndarray], job: Job) -> int:
        """See the base class.

        Raises:
            MissingExtraError: statsmodels is not installed.
            DataError: all series are too short.
        """
        model = optional_import("statsmodels.tsa.forecasting.theta", "forecast").ThetaModel
        long = long_enough(series, self.least, "theta")
        chosen = spread(long, SERIES)
        multiplies = np.min([values.min(0) for values in long], axis=0) > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alpha = [
                [
                    model(
                        values[:, c],
                        period=self.period if self.period > 1 else None,
                        deseasonalize=self.period > 1,
                        use_test=False,
                        method="mul" if multiplies[c] else "add",
                    )
                    .fit()
                    .params.iloc[1]
                    for values in chosen
                ]
                for c in range(len(multiplies))
            ]
        self.keep(alpha=np.median(np.array(alpha, dtype=np.float64), axis=1).clip(LEAST, 1), multiplies=multiplies)
        return len(multiplies)

    def ahead(self, past: Tensor) -> Tensor:
        """See the base class; in closed form."""
        scale, mean = self.target_scale.to(past.device), self.target_mean.to(past.device)
        y = (past.to(torch.float64) * scale + mean).transpose(1, 2)
        alpha: Tensor = self.alpha.unsqueeze(1)  # type: ignore[operator]
        multiplies: Tensor = self.multiplies.unsqueeze(1)  # type: ignore[operator]
        steps = torch.arange(self.context + self.horizon, device=y.device)
        if self.period > 1:
            pattern, _ = seasonal_pattern(y, self.period, multiplies)
            season = pattern.index_select(-1, steps.remainder(self.period))
            y = torch.where(multiplies, y / season[..., : self.context], y - season[..., : self.context])
        centred = (steps[: self.context] - (self.context - 1) / 2).to(y)
        slope = (y * centred).sum(-1, keepdim=True) / centred.square().sum()
        left = (1 - alpha) ** steps[: self.context].flip(0)
        smooth = (y * alpha * left).sum(-1, keepdim=True) + (1 - alpha) ** self.context * y[..., :1]
        drift = steps[: self.horizon] + (1 - (1 - alpha) ** self.context) / alpha
        forecast = smooth + self.weight * slope * drift
        if self.period > 1:
            further = season[..., self.context :]
            forecast = torch.where(multiplies, forecast * further, forecast + further)
        return (forecast.transpose(1, 2) - mean) / scale

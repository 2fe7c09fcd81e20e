"""Naive forecasts: what was is what will be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Job
from colonnade.baselines.series import SeriesBaseline
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec


class Naive(SeriesBaseline):
    """The last ``period`` steps, over and over: the last value for a period of 1, a day ago for 24 hours.

    Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 3rd edition, section 5.2.

    Args:
        spec: of the data, with ``horizon``.
        period: steps of a season; None: ``data.season``.

    Raises:
        ValueError: ``period`` is below 1.
        ConfigError: ``data`` has no horizon, no season where that is asked for, or a context shorter than the period.
    """

    def __init__(self, *, spec: BatchSpec, period: int | None = 1) -> None:
        super().__init__(spec=spec, period=period)
        if period is None and spec.season == 1:
            raise ConfigError("a seasonal forecast needs a season: data.season, such as 24 hours of a day")
        if self.period > self.context:
            raise ConfigError(f"model.period={self.period} is more than data.context={self.context} looks back")

    def learn(self, series: Sequence[np.ndarray], job: Job) -> int:
        """There is nothing to learn."""
        return 0

    def ahead(self, past: Tensor) -> Tensor:
        """See the base class."""
        step = torch.arange(self.horizon, device=past.device).remainder(self.period) - self.period + past.shape[1]
        return past.index_select(1, step)

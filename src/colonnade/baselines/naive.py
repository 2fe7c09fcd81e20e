"""Naive forecasts: what was is what will be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import KINDS, Problem, Rows
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec


class Naive(Baseline):
    """The last ``period`` steps, over and over: the last value for a period of 1, a day ago for 24 hours.

    Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 3rd edition, section 5.2.

    Args:
        spec: of the data, with ``horizon``.
        period: steps of a season.

    Raises:
        ValueError: ``period`` is below 1.
        ConfigError: ``data`` has no horizon, or a context shorter than the period.
    """

    kinds = KINDS
    sequential = True

    def __init__(self, *, spec: BatchSpec, period: int = 1) -> None:
        super().__init__(spec=spec)
        if period < 1:
            raise ValueError(f"period={period} must be 1 or more")
        if spec.horizon is None or spec.n_steps is None:
            raise ConfigError("a naive forecast needs to know how far: set data.horizon and data.context")
        if period > spec.n_steps:
            raise ConfigError(f"model.period={period} is more than data.context={spec.n_steps} looks back")
        self.period = period
        self.channels = list(spec.channels)
        self.horizon = spec.horizon

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """There is nothing to learn."""
        return Fitted(rounds=1, size=0)

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class; ``num`` is ``(B, context, F)``."""
        step = torch.arange(self.horizon, device=num.device).remainder(self.period) - self.period + num.shape[1]
        return num[..., self.channels].index_select(1, step).flatten(1)

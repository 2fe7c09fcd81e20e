"""SeriesBaseline: a forecast by a formula; beside it, what its errors on the train windows say of its uncertainty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import KINDS, Problem, Rows
from colonnade.core.errors import ConfigError, DataError
from colonnade.core.spec import BatchSpec

# Train windows from which errors are taken, evenly spread.
WINDOWS = 2000
SHOWN = 512


class SeriesBaseline(Baseline):
    """Forecasts windows of the steps ``data.context`` looks back at, and nothing else.

    Where the task asks for quantiles, those of its own errors on train windows are added to the forecast, by step ahead
    and value; where it asks for a normal distribution, their mean and deviation. So intervals are as wide everywhere.
    What was fitted on the same steps makes smaller errors there than on those to come.

    Args:
        spec: of the data, with ``horizon``.
        period: steps of a season; None: ``data.season``.

    Raises:
        ValueError: ``period`` is below 1.
        ConfigError: ``data`` has no horizon.
    """

    kinds = KINDS | {"gaussian"}
    sequential: ClassVar[bool] = True

    def __init__(self, *, spec: BatchSpec, period: int | None = None) -> None:
        super().__init__(spec=spec)
        period = spec.season if period is None else period
        if period < 1:
            raise ValueError(f"period={period} must be 1 or more")
        if spec.horizon is None or spec.n_steps is None:
            raise ConfigError("a forecast needs to know how far: set data.horizon and data.context")
        self.period = period
        self.context = spec.n_steps
        self.horizon = spec.horizon
        self.channels = list(spec.channels)
        self.roles = spec.roles
        self.target_mean, self.target_scale = (
            torch.tensor(of_steps[: len(spec.channels)], dtype=torch.float64)
            for of_steps in (spec.target_mean, spec.target_scale)
        )
        if len(spec.out_shape) > 1:
            self.register_buffer("errors", torch.empty(0))

    @abstractmethod
    def learn(self, series: Sequence[np.ndarray], job: Job) -> int:
        """Set buffers; how many numbers were learned.

        Args:
            series: train steps of each series, ``(n, C)`` float64 in the units of the data.
            job: threads and seed.
        """

    @abstractmethod
    def ahead(self, past: Tensor) -> Tensor:
        """Standardised forecast ``(B, horizon, C)`` of standardised steps ``(B, context, C)``."""

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class."""
        scale, mean = self.target_scale.numpy(), self.target_mean.numpy()
        size = self.learn([train.target[a:b].astype(np.float64) * scale + mean for a, b in _spans(train)], job)
        if len(self.out_shape) > 1:
            errors = self._errors(train)
            if self.roles:
                spread = np.stack([errors.mean(0), np.log(errors.std(0).clip(1e-9))], axis=-1)
            else:
                spread = np.quantile(errors, [problem.parameter for problem in problems[: self.out_shape[1]]], axis=0)
                spread = np.moveaxis(spread, 0, -1)
            self.keep(errors=spread.reshape(self.out_shape).astype(np.float32))
            size += spread.size
        return Fitted(rounds=1, size=size)

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class; of ``num`` ``(B, T, F)`` the first ``context`` steps are looked at."""
        value = self.ahead(num[:, : self.context, self.channels]).to(torch.float32).flatten(1)
        if len(self.out_shape) == 1:
            return value
        errors: Tensor = self.errors  # type: ignore[assignment]
        if not self.roles:
            return (value.unsqueeze(-1) + errors).flatten(1)
        level = value + errors[:, 0]
        return torch.stack([level, errors[:, 1].expand_as(level)], dim=-1).flatten(1)

    def _errors(self, train: Rows) -> np.ndarray:
        """What came minus the forecast, standardised, ``(W, horizon, C)``."""
        starts = np.concatenate([np.arange(a, b - self.context - self.horizon + 1) for a, b in _spans(train)])
        starts = starts[np.unique(np.linspace(0, len(starts) - 1, min(WINDOWS, len(starts))).astype(np.int64))]
        found = []
        for part in np.array_split(starts, -(-len(starts) // SHOWN)):
            window = train.target[part[:, None] + np.arange(self.context + self.horizon)]
            with torch.no_grad():
                forecast = self.ahead(torch.from_numpy(window[:, : self.context])).numpy()
            found.append(window[:, self.context :] - forecast)
        return np.concatenate(found).astype(np.float64)


def long_enough(series: Sequence[np.ndarray], least: int, name: str) -> list[np.ndarray]:
    """Series of ``least`` steps or more.

    Raises:
        DataError: there is none.
    """
    found = [values for values in series if len(values) >= least]
    if not found:
        raise DataError(f"{name} needs {least} train steps of a series, and none has them")
    return found


def spread(series: Sequence[np.ndarray], at_most: int) -> list[np.ndarray]:
    """So many of the series, from the first to the last."""
    return [series[i] for i in np.unique(np.linspace(0, len(series) - 1, min(at_most, len(series))).astype(int))]


def _spans(train: Rows) -> np.ndarray:
    """First step of each series, and the one behind the last, ``(S, 2)`` int64."""
    assert train.spans is not None
    return train.spans

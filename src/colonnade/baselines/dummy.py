"""Dummy: a constant; what a model has to beat to have learned anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import Problem, Rows
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec

# A class without weight has a probability of 0, of which there is no logarithm.
LEAST = torch.finfo(torch.float32).eps


class Dummy(Baseline):
    """Shares of the classes, mean, median or quantile of the train rows, weighted; whatever a row holds.

    Args:
        spec: of the data.

    Raises:
        ConfigError: ``data`` asks for forecasts.
    """

    kinds = frozenset({"binary", "multiclass", "mse", "mae", "quantile"})
    sequential = None

    def __init__(self, *, spec: BatchSpec) -> None:
        super().__init__(spec=spec)
        if spec.horizon is not None:
            raise ConfigError("a forecast is compared with the last value, or that of a season ago: model=naive")
        self.register_buffer("constant", torch.empty(0))

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class."""
        constant = np.concatenate([_constant(problem, train) for problem in problems])
        self.keep(constant=constant.astype(np.float32))
        return Fitted(rounds=1, size=len(constant))

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class."""
        constant: Tensor = self.constant  # type: ignore[assignment]
        return constant.expand(num.shape[0], -1)


def _constant(problem: Problem, rows: Rows) -> np.ndarray:
    """The raw outputs of one problem."""
    target, weight = problem.target(rows), problem.weight(rows, train=True)
    weight = np.ones(len(target)) if weight is None else weight.astype(np.float64)
    match problem.kind:
        case "binary" | "multiclass":
            share = np.bincount(target, weight, minlength=problem.n_classes) / weight.sum()
            logits = np.log(np.clip(share, LEAST, 1 - LEAST))
            return logits if problem.kind == "multiclass" else logits[1:] - logits[:1]
        case "mse":
            return np.atleast_1d(np.average(target, weights=weight))
        case _:
            level = problem.parameter if problem.kind == "quantile" else 0.5
            return np.atleast_1d(weighted_quantile(target, weight, level))


def weighted_quantile(values: np.ndarray, weight: np.ndarray, level: float) -> float:
    """The smallest value at or below which lies at least a share ``level`` of the weight.

    >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]), 0.5)
    2.0
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    at = int(np.searchsorted(total, level * total[-1] * (1 - 1e-12)))
    return float(values[order[min(at, len(values) - 1)]])

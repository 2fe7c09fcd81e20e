"""Scores: the numbers that are explained, on a scale on which contributions add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task

LOG_ODDS = "log-odds"
CENTRED = "log-probability above the mean of all classes"
VALUE = "units of the target"
PREDICTED = "predicted class"
PARTS_AHEAD, MEANS = 4, 8
"""Of a forecast: parts of the horizon, and means of all values, at most."""


@dataclass(frozen=True)
class Scores:
    """What a row is explained by.

    Two classes: log-odds of the second. More classes: log-probability of a class minus the mean over the classes (the
    centred log-ratio), explained for the class that is predicted. Labels: log-odds of each. Numbers: the predicted
    value of each target (of quantiles the median) in its units; of a forecast, its mean over some of the steps ahead.
    Members of an ensemble are averaged as the decoder does it, in probability space.

    Args:
        names: of the outputs: classes, labels or targets.
        unit: of the scores.
        of_raw: raw outputs ``(B, members, *out)`` to scores ``(B, outputs)`` float64, differentiable.
        one_a_row: a row is explained for its largest output only.
    """

    names: tuple[str, ...]
    unit: str
    of_raw: Callable[[Tensor], Tensor]
    one_a_row: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """What each row is explained for, in the order of :meth:`chosen`."""
        return (PREDICTED,) if self.one_a_row else self.names

    def chosen(self, scores: Tensor) -> Tensor:
        """Which outputs each row is explained for, ``(B, outputs)`` to ``(B, views)`` int64."""
        if self.one_a_row:
            return scores.argmax(1, keepdim=True)
        return torch.arange(scores.shape[1]).expand(len(scores), -1)


def scores_of(task: Task, spec: BatchSpec) -> Scores:
    """The scores of a task.

    Args:
        task: set up on the data.
        spec: of the data, with ``out_shape``.
    """
    match spec.target_kind:
        case TargetKind.CLASS if spec.out_shape == (1,):
            return Scores(spec.classes[1:], LOG_ODDS, log_odds)
        case TargetKind.CLASS:
            return Scores(spec.classes, CENTRED, centred, one_a_row=True)
        case TargetKind.EVENT:
            n = len(spec.classes)
            return Scores(spec.classes, CENTRED, lambda raw: centred(raw[..., :n]), one_a_row=True)
        case TargetKind.MULTILABEL:
            return Scores(spec.target_names, LOG_ODDS, log_odds)
        case _ if spec.horizon is not None:
            return _of_forecast(task, spec, spec.horizon)
        case _:
            decoder = task.decoder(spec)

            def values(raw: Tensor) -> Tensor:
                found: Tensor = decoder(raw)["value"]
                return found

            return Scores(spec.target_names, VALUE, values)


def _of_forecast(task: Task, spec: BatchSpec, horizon: int) -> Scores:
    """Each value, by its mean over parts of the horizon: up to four, and no more than eight means in all."""
    n_values = len(spec.channels)
    parts = max(1, min(PARTS_AHEAD, MEANS // n_values, horizon))
    ends = [round(horizon * i / parts) for i in range(parts + 1)]
    names, weight = [], torch.zeros(horizon, n_values, n_values, parts, dtype=torch.float64)
    for value in range(n_values):
        name = spec.target_names[value].rpartition("+")[0]
        for part, (first, last) in enumerate(pairwise(ends)):
            names.append(f"{name}, step {last}" if last - first == 1 else f"{name}, steps {first + 1} to {last}")
            weight[first:last, value, value, part] = 1 / (last - first)
    means = weight.view(horizon * n_values, -1)
    decoder = task.decoder(spec)

    def values(raw: Tensor) -> Tensor:
        found: Tensor = decoder(raw)["value"].double() @ means
        return found

    return Scores(tuple(names), VALUE, values)


def log_odds(raw: Tensor) -> Tensor:
    """Log-odds of the probability averaged over members, ``(B, M, L)`` to ``(B, L)``; of one member, its logit."""
    logit = raw.double()
    return F.logsigmoid(logit).logsumexp(1) - F.logsigmoid(-logit).logsumexp(1)


def centred(raw: Tensor) -> Tensor:
    """Centred log-ratio of the probabilities averaged over members, ``(B, M, C)`` to ``(B, C)``."""
    logarithm = raw.double().log_softmax(-1).logsumexp(1) - math.log(raw.shape[1])
    return logarithm - logarithm.mean(-1, keepdim=True)

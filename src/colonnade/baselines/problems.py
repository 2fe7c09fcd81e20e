"""Problems: what a task asks of a model that fits one target at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import PREFIX, Task
from colonnade.tasks.binary import Binary
from colonnade.tasks.classes import class_weights
from colonnade.tasks.distributions import Gaussian
from colonnade.tasks.forecast_distribution import ForecastDistribution
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel, label_weights
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression

Kind = Literal["binary", "multiclass", "mse", "mae", "huber", "quantile", "gaussian"]
KINDS = frozenset(get_args(Kind)) - {"gaussian"}
"""Those of tables."""
CLASSES = ("binary", "multiclass")
# What is watched to stop by, for each measure of a task: itself, or the nearest that all libraries have.
WATCHED = {
    "binary": {"accuracy": "accuracy", "auroc": "auroc"},
    "multiclass": {"accuracy": "accuracy"},
    "regression": {"mae": "mae"},
}


@dataclass(frozen=True)
class Rows:
    """Encoded rows as arrays.

    Args:
        num: ``(N, F)`` float32.
        cat: ``(N, K)`` int32 codes: 0 missing, 1 unknown, 2 and above the levels.
        target: class indices ``(N,)``, labels ``(N, L)``, or standardised values ``(N, T)``.
        weight: ``(N,)`` float32; None means one.
        spans: of series, whose rows are steps: the first step of each that belongs to the part, and the one behind the
            last, ``(S, 2)`` int64; None: a row is a row.
    """

    num: np.ndarray
    cat: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None
    spans: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Problem:
    """One target, one loss.

    Args:
        kind: the loss: ``binary`` and ``multiclass`` cross-entropy, ``mse``, ``mae``, ``huber``, ``quantile``, or the
            likelihood of a ``gaussian``.
        watch: the measure to stop by: ``log_loss``, ``accuracy``, ``auroc``, ``rmse``, ``mae``, ``quantile``.
        column: of the target, where it has several; None: it is the whole target.
        n_classes: of ``multiclass``.
        parameter: level of ``quantile``, in standard deviations where ``huber`` turns.
        class_weight: of each class; None means one.
        scale: units of the target in a standardised one.
    """

    kind: Kind
    watch: str
    column: int | None = None
    n_classes: int = 2
    parameter: float = 0.0
    class_weight: tuple[float, ...] | None = None
    scale: float = 1.0

    def target(self, rows: Rows) -> np.ndarray:
        """Its target, ``(N,)``: class indices as int64, values as float32."""
        values = rows.target if self.column is None else rows.target[:, self.column]
        return values.astype(np.int64 if self.kind in CLASSES else np.float32)

    def weight(self, rows: Rows, *, train: bool) -> np.ndarray | None:
        """Weights of the rows, ``(N,)``; those of classes count in training only, as they do in the task's measures."""
        if self.class_weight is None or not train:
            return rows.weight
        of_class = np.asarray(self.class_weight, dtype=np.float32)[self.target(rows)]
        return of_class if rows.weight is None else of_class * rows.weight

    def measures(self, value: float) -> dict[str, float]:
        """A watched value by the names, and in the units, of the task's measures."""
        match self.watch:
            case "log_loss":
                named = {"loss": value, "log_loss": value}
            case "rmse":
                named = {"rmse": value * self.scale, "mse": (value * self.scale) ** 2}
                named |= {"loss": value**2} if self.kind == "mse" else {}
            case "mae":
                named = {"mae": value * self.scale} | ({"loss": value} if self.kind == "mae" else {})
            case other:
                named = {other: value}
        return {PREFIX + name: measure for name, measure in named.items()}


def problems_of(task: Task, spec: BatchSpec) -> list[Problem]:
    """The problems of a task, in the order of its raw outputs.

    Args:
        task: set up on the data.
        spec: of the data.

    Raises:
        ConfigError: it is no task that a baseline can learn, or asks for smoothed labels.
    """
    monitored = task.monitor.removeprefix(PREFIX).partition("/")[0]
    scales = spec.target_scale
    match task:
        case Binary() | Multiclass() | Multilabel() if task.label_smoothing:
            raise ConfigError(
                f"task.label_smoothing={task.label_smoothing}: this model learns labels as they are; leave it at 0"
            )
        case Binary():
            watch = WATCHED["binary"].get(monitored, "log_loss")
            return [Problem("binary", watch, class_weight=_tuple(class_weights(task.class_weight, spec)))]
        case Multiclass():
            watch = WATCHED["multiclass"].get(monitored, "log_loss")
            weights = _tuple(class_weights(task.class_weight, spec))
            return [Problem("multiclass", watch, n_classes=len(spec.classes), class_weight=weights)]
        case Multilabel():
            of_labels = label_weights(task.class_weight, spec)
            return [
                Problem(
                    "binary", "log_loss", column=i, class_weight=None if of_labels is None else _tuple(of_labels[:, i])
                )
                for i in range(len(spec.target_names))
            ]
        case Regression():
            kind: Kind = task.loss  # type: ignore[assignment]
            watch = WATCHED["regression"].get(monitored, "mae" if kind == "mae" and monitored == "loss" else "rmse")
            return [
                Problem(kind, watch, column=i, parameter=task.huber_delta, scale=scale)
                for i, scale in enumerate(scales)
            ]
        case Quantile():
            return [
                Problem("quantile", "quantile", column=i, parameter=level, scale=scale)
                for i, scale in enumerate(scales)
                for level in task.quantiles
            ]
        case ForecastDistribution() if isinstance(task.distribution, Gaussian):
            return [Problem("gaussian", "pinball_loss", column=i, scale=scale) for i, scale in enumerate(scales)]
        case ForecastDistribution():
            raise ConfigError(f"task={task.name}: baselines forecast normal distributions alone: distribution=gaussian")
        case _:
            raise ConfigError(f"task={task.name}: no baseline learns it; choose a network, such as model=mlp")


def _tuple(weights: Tensor | None) -> tuple[float, ...] | None:
    return None if weights is None else tuple(weights.tolist())

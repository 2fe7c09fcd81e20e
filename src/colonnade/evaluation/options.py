"""Options: what ``calibration:`` of a configuration builds."""

from __future__ import annotations

from colonnade.core.errors import ConfigError, closest
from colonnade.core.schema import TargetKind
from colonnade.tasks.base import Task

METHODS = ("temperature", "vector", "isotonic")


class Calibration:
    """How the probabilities of a model are calibrated on its validation rows.

    Args:
        method: ``temperature`` (one number, of labels one each; keeps the order of the rows and the likeliest class),
            ``vector`` (weight and bias for each class; of two classes Platt's), or ``isotonic`` (a rising curve for
            each class, which wants a thousand rows or more).

    Raises:
        ValueError: an unknown method.
    """

    def __init__(self, *, method: str = "temperature") -> None:
        if method not in METHODS:
            raise ValueError(f"method={method} must be one of {', '.join(METHODS)}{closest(method, METHODS)}")
        self.method = method

    def check(self, task: Task) -> None:
        """Refuse a task without probabilities.

        Raises:
            ConfigError: naming it.
        """
        if task.target_kind == TargetKind.REAL:
            raise ConfigError(f"task={task.name} predicts no probabilities to calibrate: calibration=none")

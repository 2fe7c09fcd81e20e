"""Trained: what a training leaves behind, beside the weights, whatever kind of model was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger
    from omegaconf import DictConfig

    from colonnade.tasks.base import Task


@dataclass
class Trained:
    """What a training leaves behind.

    Args:
        epochs: epochs of a network; rounds that are kept of a baseline.
        parameters: parameters of a network; leaves or coefficients of a baseline.
        pruned: whether the search that started it gave it up.
        seconds_before: how long the trainings took that it went on with.
        global_step: optimizer steps, or rounds.
        checkpoint: the best one; None where nothing was chosen by validation rows, and of a baseline.
        loggers: those that were told of it.
    """

    epochs: int
    parameters: int
    pruned: bool = False
    seconds_before: float = 0.0
    global_step: int = 0
    checkpoint: Path | None = None
    loggers: list[Logger] = field(default_factory=list)

    def result(
        self, cfg: DictConfig, task: Task, metrics: dict[str, dict[str, float]], *, seconds: float, folder: Path
    ) -> dict[str, Any]:
        """The content of ``result.json`` of a training that is finished.

        Args:
            cfg: its configuration.
            task: what was learned.
            metrics: of each part.
            seconds: duration of the training, interrupted parts included.
            folder: the run folder.
        """
        return {
            "status": "finished",
            "task": task.name,
            "monitor": task.monitor,
            "mode": task.mode,
            "metrics": metrics,
            "seconds": round(seconds, 3),
            "epochs": self.epochs,
            "parameters": self.parameters,
            "checkpoint": None if self.checkpoint is None else self.checkpoint.relative_to(folder).as_posix(),
            "overrides": list(cfg.get("overrides", [])),
            "error": None,
        }

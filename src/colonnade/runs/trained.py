"""Trained: what a training leaves behind, beside the weights, whatever kind of model was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


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

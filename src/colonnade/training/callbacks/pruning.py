"""Pruning: a training ends early when the search that started it gives it up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Pruning(Callback):
    """Stops the training at the end of an epoch when a file has appeared.

    The search reads the metrics of its trainings from their ``metrics.jsonl`` and decides; this is how it is heard by
    each process of a training, on any machine that shares the disk.

    Args:
        path: the file, ``prune`` of the run folder.

    Attributes:
        pruned: whether it stopped the training.
    """

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)
        self.pruned = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for the file; all processes follow the first one."""
        asked = trainer.is_global_zero and self.path.exists()
        if trainer.strategy.broadcast(asked):
            self.pruned = True
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Whether it stopped the training."""
        return {"pruned": self.pruned}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from :meth:`state_dict`."""
        self.pruned = state_dict["pruned"]

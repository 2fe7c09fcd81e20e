"""MetricsLog: a line of JSON for each epoch, that survives and is not doubled by a resumed training."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from colonnade.core.files import sync


class MetricsLog(Checkpoint):
    """Appends all metrics of an epoch to a file, forced to the disk before each checkpoint.

    It is a ``Checkpoint`` to Lightning, so that it is called after all metrics of the epoch are known and before the
    recovery checkpoint that counts its lines. A training that is resumed cuts the lines that came after its checkpoint.

    Args:
        path: the file, ``metrics.jsonl`` of the run folder.
    """

    def __init__(self, *, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self._lines = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cut what the checkpoint does not know."""
        if not trainer.is_global_zero or not self.path.exists():
            return
        kept = self.path.read_bytes().splitlines(keepends=True)[: self._lines]
        with self.path.open("rb+") as file:
            file.truncate(sum(map(len, kept)))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the line."""
        if not trainer.is_global_zero:
            return
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        line: dict[str, float] = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        line |= {name: value for name, value in metrics.items() if math.isfinite(value)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._lines += 1

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the lines that the checkpoint counts to the disk."""
        self._sync(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the last lines to the disk."""
        self._sync(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Number of lines."""
        return {"lines": self._lines}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from :meth:`state_dict`."""
        self._lines = state_dict["lines"]

    def _sync(self, trainer: Trainer) -> None:
        if trainer.is_global_zero and self.path.exists():
            sync(self.path)

"""Best: keeps the weights of the best epoch."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from colonnade.training import manifest

log = logging.getLogger(__name__)


class Best(Checkpoint):
    """Keeps the weights of the epoch with the best monitored metric.

    A better epoch is copied in memory; the file is written along with the next recovery checkpoint and when the
    training ends, however it ends. Short epochs that improve each time thus cost no file each, and nothing is lost that
    a resumed training would not find again. An epoch whose metric is undefined is no candidate.

    Args:
        dirpath: folder of the checkpoints.
        monitor: name of the metric, such as ``"val/log_loss"``.
        mode: ``"min"`` or ``"max"``.

    Raises:
        ValueError: ``mode`` is neither.
    """

    def __init__(self, *, dirpath: str, monitor: str, mode: str) -> None:
        super().__init__()
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be min or max, not {mode!r}")
        self.dirpath = Path(dirpath)
        self.monitor = monitor
        self.mode = mode
        self.score: float | None = None
        self.epoch = -1
        self._measured_step = -1
        self._unwritten: dict[str, Any] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the metric is fresh."""
        self._measured_step = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights if they are better than all before."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None or self._measured_step != trainer.global_step or not self._better(value.item()):
            return
        self.score = value.item()
        self.epoch = trainer.current_epoch
        self._take(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the best weights before a checkpoint that remembers their score."""
        self.write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write; without a single defined metric the last weights are kept."""
        if self.score is None:
            log.warning("%s was never defined: the last weights are kept as the best", self.monitor)
            self.epoch = trainer.current_epoch
            self._take(trainer, pl_module)
        self.write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write what was best until now."""
        self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write the best weights if they are not yet on the disk."""
        checkpoint, self._unwritten = self._unwritten, None
        if checkpoint is None or not trainer.is_global_zero:
            return
        path = self.dirpath / f"best-epoch{checkpoint['epoch']:04d}.ckpt"
        older = [e.file for e in manifest.read(self.dirpath) if e.kind == manifest.BEST and e.file != path.name]
        trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, path, storage_options={"kind": manifest.BEST})
        for file in older:
            trainer.strategy.remove_checkpoint(self.dirpath / file)

    def state_dict(self) -> dict[str, Any]:
        """Score and epoch of the best weights."""
        return {"score": self.score, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from :meth:`state_dict`."""
        self.score = state_dict["score"]
        self.epoch = state_dict["epoch"]

    def _better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.score is None:
            return True
        return value < self.score if self.mode == "min" else value > self.score

    def _take(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            with torch.no_grad():
                state = {key: value.detach().clone() for key, value in pl_module.state_dict().items()}
            self._unwritten = {
                "state_dict": state,
                "epoch": self.epoch,
                "global_step": trainer.global_step,
                "score": self.score,
            }

"""Recovery: checkpoints from which an interrupted training goes on exactly where it stopped."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from colonnade.core.files import sweep
from colonnade.training import manifest
from colonnade.training.checkpoint_io import preflight
from colonnade.training.module import SupervisedModule
from colonnade.training.signals import StopSignals

log = logging.getLogger(__name__)


@dataclass
class Savings:
    """What those who save in one process know of each other.

    Args:
        trainings: among which the process divides its time, each of which saves.
        cost: seconds that the last saving of any of them took.
    """

    trainings: int = 1
    cost: float = 0.0


class Recovery(Checkpoint):
    """Saves the whole state of a training, whatever the metrics say, and upon SIGTERM or SIGINT before it leaves.

    Args:
        dirpath: folder of the checkpoints.
        every_seconds: longest time between two savings, above 0.
        every_steps: optimizer steps between two savings, at the end of a chunk; None: by time alone.
        max_share: an epoch ends with a saving unless that would take more than this share of the time since the last
            one; 0: by time alone; 1: every epoch. The last epoch is always saved.
        keep: number of checkpoints that are kept, at least 1; with 2 a damaged one has a predecessor.

    Attributes:
        savings: its own, but in a pack: trainings of one size need not each find out what a saving takes.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        dirpath: str,
        every_seconds: float = 60.0,
        every_steps: int | None = None,
        max_share: float = 0.01,
        keep: int = 2,
    ) -> None:
        super().__init__()
        if every_seconds <= 0:
            raise ValueError(f"every_seconds must be above 0, not {every_seconds!r}")
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"every_steps must be 1 or more, or null, not {every_steps!r}")
        if not 0 <= max_share <= 1:
            raise ValueError(f"max_share must be in [0, 1], not {max_share!r}")
        if keep < 1:
            raise ValueError(f"keep must be 1 or more, not {keep!r}")
        self.dirpath = Path(dirpath)
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.max_share = max_share
        self.keep = keep
        self.savings = Savings()
        self._signals = StopSignals()
        self._saved_at = 0.0
        self._saved_step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sweep the folder, and see whether there is room."""
        if trainer.is_global_zero:
            weights = sum(t.numel() * t.element_size() for t in pl_module.state_dict().values())
            # Weights, two moments of the optimizer; the kept files, the one being written, and the best weights twice.
            preflight(self.dirpath, weights * (3 * (self.keep + 1) + 2))
            sweep(self.dirpath)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Catch signals; Lightning has set its own handlers by now."""
        self._signals.install()
        self._saved_at = time.monotonic()
        self._saved_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time."""
        # The last chunk is followed by the validation, without which the epoch would not be whole: saved at its end.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        due = time.monotonic() - self._saved_at >= self.every_seconds
        if self.every_steps is not None:
            due |= trainer.global_step // self.every_steps > self._saved_step // self.every_steps
        self._save_or_leave(trainer, pl_module, due)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save unless epochs are so short that it would show."""
        elapsed = time.monotonic() - self._saved_at
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        takes = self.savings.trainings * self.savings.cost
        cheap = self.max_share == 1 or (self.max_share > 0 and takes <= self.max_share * elapsed)
        due = last or cheap or elapsed >= self.every_seconds
        if self.every_steps is not None:
            due |= trainer.global_step // self.every_steps > self._saved_step // self.every_steps
        self._save_or_leave(trainer, pl_module, due)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._signals.remove()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._signals.remove()

    def _save_or_leave(self, trainer: Trainer, pl_module: LightningModule, due: bool) -> None:
        """Save if it is due or the process was told to stop; all processes decide alike."""
        stop = self._signals.received
        if not trainer.strategy.reduce_boolean_decision(due or stop is not None, all=False):
            return
        self.save(trainer, pl_module)
        if trainer.strategy.reduce_boolean_decision(stop is not None, all=False):
            log.warning("told to stop: the state is saved in '%s'; the same command resumes it", self.dirpath)
            raise SystemExit(128 + (stop or StopSignals.NUMBERS[0]))

    def save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save now, and drop what is older than the kept ones.

        Raises:
            TrainingError: the weights are not finite, or the file cannot be written.
        """
        start = time.monotonic()
        if isinstance(pl_module, SupervisedModule):
            pl_module.assert_finite()
        path = self.dirpath / f"recovery-epoch{trainer.current_epoch:04d}-step{trainer.global_step:08d}.ckpt"
        trainer.save_checkpoint(path, weights_only=False, storage_options={"kind": manifest.RECOVERY})
        if trainer.is_global_zero:
            entries = [entry for entry in manifest.read(self.dirpath) if entry.kind == manifest.RECOVERY]
            for entry in entries[: -self.keep]:
                trainer.strategy.remove_checkpoint(self.dirpath / entry.file)
        self._saved_at = time.monotonic()
        self._saved_step = trainer.global_step
        self.savings.cost = self._saved_at - start

"""EarlyStopping: Lightning's, for metrics that may be undefined and trainings that are resumed."""

from __future__ import annotations

import lightning.pytorch.callbacks as lightning_callbacks
import torch
from lightning.pytorch import LightningModule, Trainer


class EarlyStopping(lightning_callbacks.EarlyStopping):
    """Stops when the monitored metric has not improved for a number of epochs.

    An undefined metric is not logged; after the first defined one, its epoch counts as one without improvement.
    Lightning's class would stop or crash.

    Args:
        monitor: name of the metric, such as ``"val/log_loss"``.
        mode: ``"min"`` or ``"max"``.
        patience: epochs without improvement after which training stops, at least 1.
        min_delta: smallest difference that counts as an improvement, from 0.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, *, monitor: str, mode: str, patience: int = 16, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be min or max, not {mode!r}")
        if patience < 1:
            raise ValueError(f"patience must be 1 or more, not {patience!r}")
        if min_delta < 0:
            raise ValueError(f"min_delta must be 0 or more, not {min_delta!r}")
        super().__init__(
            monitor=monitor,
            mode=mode,
            patience=patience,
            min_delta=min_delta,
            check_finite=False,
            check_on_train_epoch_end=True,
        )

        self._measured = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there was a validation; epochs without one are not counted."""
        self._measured = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric of the epoch."""
        measured, self._measured = self._measured, False
        if not measured:
            return
        if self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)
        elif torch.isfinite(self.best_score):
            self.wait_count += 1
            trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a resumed training that had stopped already."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

"""StopAfter: a training ends after a number of epochs, its schedules as long as before."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer


class StopAfter(Callback):
    """Stops at the end of an epoch.

    Unlike ``trainer.max_epochs`` it is no horizon: a cosine that was to last 200 epochs, and is stopped after 30, is
    at each epoch where that of 200 epochs is.

    Args:
        epochs: how many are trained, at least 1; those before an interruption count.

    Raises:
        ValueError: ``epochs`` is out of range.
    """

    def __init__(self, *, epochs: int) -> None:
        if epochs < 1:
            raise ValueError(f"epochs must be 1 or more, not {epochs!r}")
        self.epochs = epochs

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a resumed training that had stopped already."""
        if trainer.current_epoch >= self.epochs:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after the last one."""
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True

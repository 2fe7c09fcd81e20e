"""Histograms: how the parameters are distributed, epoch by epoch, in TensorBoard."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger


class Histograms(Callback):
    """Writes a histogram of each parameter, at the end of epochs, by the number of optimizer steps.

    Copying all parameters to the host takes time: this is for looking into a training, not for every one.

    Args:
        every_n_epochs: epochs from one set of histograms to the next, from 1; the first epoch has one.

    Raises:
        ValueError: the argument is out of range.
    """

    def __init__(self, *, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs must be 1 or more, not {every_n_epochs!r}")
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, in the first process and to TensorBoard loggers alone."""
        if not trainer.is_global_zero or trainer.current_epoch % self.every_n_epochs:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for name, parameter in pl_module.named_parameters():
                    values = parameter.detach().float()
                    # TensorBoard refuses what is not finite; the training itself tells of that.
                    values = values[torch.isfinite(values)]
                    if values.numel():
                        tag = f"parameters/{name.removeprefix('network.')}"
                        logger.experiment.add_histogram(tag, values.cpu(), trainer.global_step)

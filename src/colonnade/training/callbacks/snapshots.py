"""Snapshots: the weights at the end of each cycle of the learning rate, each a member of an ensemble."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from colonnade.core.errors import ConfigError
from colonnade.core.files import write_atomic
from colonnade.training.module import SupervisedModule

NAME = "snapshot-{:02d}.safetensors"


class Snapshots(Callback):
    """Keeps the evaluated weights at the end of each cycle (Huang et al., "Snapshot ensembles", ICLR 2017).

    They are written to ``dirpath`` as they come; a training that was cut off writes those that follow, and those since
    its last checkpoint once more. When it has ended each becomes a run folder of its own.

    Args:
        dirpath: folder of the checkpoints.

    Raises:
        ConfigError: when the training begins, for a schedule without cycles, or more cycles than epochs.
    """

    def __init__(self, *, dirpath: str) -> None:
        self.dirpath = Path(dirpath)
        self._ends: dict[int, int] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the epochs in which cycles end."""
        assert isinstance(pl_module, SupervisedModule)
        optim, epochs = pl_module.optim, pl_module.optim.schedule_epochs or trainer.max_epochs or 0
        if optim.schedule != "cycles":
            raise ConfigError("callbacks.snapshots: needs a rate that falls several times: optim.schedule=cycles")
        if epochs < optim.cycles:
            raise ConfigError(f"callbacks.snapshots: {optim.cycles} cycles in {epochs} epochs: optim.cycles={epochs}")
        self._ends = {round((i + 1) * epochs / optim.cycles) - 1: i for i in range(optim.cycles)}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the weights if a cycle ends."""
        from safetensors.torch import save

        number = self._ends.get(trainer.current_epoch)
        if number is None:
            return
        assert isinstance(pl_module, SupervisedModule)
        state = pl_module.network_state()
        if trainer.is_global_zero:
            write_atomic(self.dirpath / NAME.format(number), save(state))

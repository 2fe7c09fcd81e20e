"""Network: train one with Lightning, and leave its best weights in the module."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.runs.assemble import Parts, build_trainer
from colonnade.runs.folder import RunFolder
from colonnade.runs.launch import leave_group
from colonnade.runs.trained import Trained
from colonnade.training.module import SupervisedModule

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

log = logging.getLogger(__name__)


def train_network(parts: Parts, folder: RunFolder, recovery: Path | None) -> Trained | None:
    """Train ``parts.module``, a :class:`~colonnade.training.module.SupervisedModule`.

    Args:
        parts: what is trained.
        folder: the run folder.
        recovery: a checkpoint to go on from.

    Returns:
        What came of it; None in all processes but the first.
    """
    module = parts.module
    assert isinstance(module, SupervisedModule)
    trainer = build_trainer(parts.cfg, folder.path)
    with warnings.catch_warnings():
        # Lightning's own use of a class that torch has renamed.
        warnings.filterwarnings("ignore", message=".*LeafSpec")
        # The progress bar may be left out of what is resumed.
        warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks")
        trainer.fit(module, datamodule=parts.datamodule, ckpt_path=recovery, weights_only=True)
    leave_group()
    return outcome(parts, trainer, folder) if trainer.is_global_zero else None


def outcome(parts: Parts, trainer: Trainer, folder: RunFolder) -> Trained:
    """What came of a training that has ended; its best weights are put into the module.

    Args:
        parts: what was trained.
        trainer: with the callbacks that watched it.
        folder: the run folder.
    """
    from colonnade.training.callbacks.pruning import Pruning
    from colonnade.training.checkpoint_io import best_checkpoint

    module = parts.module
    assert isinstance(module, SupervisedModule)
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    pruned = any(isinstance(callback, Pruning) and callback.pruned for callback in callbacks)
    checkpoint = None if pruned else best_checkpoint(folder.checkpoints)
    if not pruned:
        # Lightning has brought it back to the processor.
        module.to(trainer.strategy.root_device)
        if checkpoint is not None:
            module.load_best(checkpoint)
        # What is measured is what is kept and served, whatever the precision of the training.
        module.float()
    return Trained(
        epochs=trainer.current_epoch,
        parameters=sum(p.numel() for p in module.network.parameters()),
        pruned=pruned,
        seconds_before=module.seconds_before,
        global_step=trainer.global_step,
        checkpoint=checkpoint,
        loggers=list(trainer.loggers),
    )

"""log_epoch: the values of an epoch, for callbacks and loggers."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import torch
from lightning.pytorch import Trainer

log = logging.getLogger(__name__)


def log_epoch(trainer: Trainer, values: Mapping[str, float]) -> set[str]:
    """Give values to callbacks (``trainer.callback_metrics``) and loggers, by the number of optimizer steps.

    ``LightningModule.log`` keeps a reducing metric for each name, which costs more than half a millisecond a value: as
    much as two steps of a small network. Here the values of an epoch are known and need no reducing.

    Args:
        trainer: the trainer.
        values: the same in every process. Those that are not finite are left out, also where an earlier epoch had them.

    Returns:
        Names of the values that were left out.
    """
    known = trainer.callback_metrics
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    for name in values.keys() - finite.keys():
        known.pop(name, None)
    known.update({name: torch.tensor(value, dtype=torch.float64) for name, value in finite.items()})
    for logger in trainer.loggers:
        logger.log_metrics(finite, step=trainer.global_step)
    return values.keys() - finite.keys()

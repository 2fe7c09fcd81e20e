"""BatchSizeFinder: rows per second by batch size, before training."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.core.errors import ConfigError
from colonnade.training.callbacks.found import record
from colonnade.training.module import SupervisedModule
from colonnade.training.trial import Trial

log = logging.getLogger(__name__)

# Steps until a processor and its allocator are at their pace.
WARM_UP = 20


class BatchSizeFinder(Callback):
    """Times optimizer steps of doubling batch sizes on a copy of the network, and says from which size on it gains
    little.

    It only advises: a larger batch takes fewer steps, and wants another learning rate. Writes ``batch_size_find.json``.
    A resumed training is not tested again. Why it is not Lightning's tuner: ``docs/decisions/0006-finders.md``.

    Args:
        folder: where to write.
        smallest, largest: range of the batch sizes, ``1 < smallest <= largest``.
        steps: steps timed for each size, after an untimed one (the first size: twenty), at least 1.
        gain: least relative gain in rows per second that is worth doubling the batch, from 0.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, *, folder: str, smallest: int = 64, largest: int = 16384, steps: int = 5, gain: float = 0.1
    ) -> None:
        if not 1 < smallest <= largest:
            raise ValueError(f"smallest and largest must be 1 < smallest <= largest, not {smallest!r} and {largest!r}")
        if steps < 1:
            raise ValueError(f"steps must be 1 or more, not {steps!r}")
        if gain < 0:
            raise ValueError(f"gain must be 0 or more, not {gain!r}")
        self.folder = Path(folder)
        self.smallest = smallest
        self.largest = largest
        self.steps = steps
        self.gain = gain
        self.rates: dict[int, float] = {}
        self.found: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time, write and advise, in the first process.

        Raises:
            ConfigError: the module is not a :class:`SupervisedModule`.
        """
        if trainer.global_step > 0 or not trainer.is_global_zero:
            return
        if not isinstance(pl_module, SupervisedModule):
            kind = type(pl_module).__name__
            raise ConfigError(f"callbacks.batch_size_finder works on a SupervisedModule, not on {kind}")
        rows = next(iter(cast(Iterable[Chunk], trainer.train_dataloader))).to(pl_module.device).batch
        trial = Trial(pl_module.network, pl_module.task, pl_module.optim)
        size = self.smallest
        while size <= self.largest:
            try:
                self.rates[size] = self._rate(trial, repeated(rows, size))
            except RuntimeError as error:  # torch.OutOfMemoryError, or the processor's allocator
                log.warning("batches of %d rows do not fit into memory: %s", size, str(error).splitlines()[0])
                break
            if self.found is not None and self.rates[size] < (1.0 + self.gain) * self.rates[self.found]:
                break
            self.found = size
            size *= 2
        result = {"suggestion": self.found, "rows_per_second": self.rates}
        record(trainer, self.folder, "batch_size_find", result, self._text())

    def _text(self) -> str:
        if self.found is None:
            return f"no batch of {self.smallest} rows fits into memory: no batch size is suggested"
        rates = ", ".join(f"{size}: {rate:,.0f}" for size, rate in self.rates.items())
        return f"batch size found: loader.batch_size={self.found} (rows/s by size: {rates})"

    def _rate(self, trial: Trial, batch: Batch) -> float:
        for _ in range(1 if self.rates else WARM_UP):
            trial.step(batch, float(len(batch)))
        seconds = []
        for _ in range(self.steps):
            start = time.perf_counter()
            # The loss is read back, so the step has ended on the device.
            trial.step(batch, float(len(batch)))
            seconds.append(time.perf_counter() - start)
        # The fastest: what else a machine does can only slow it down.
        return len(batch) / min(seconds)


def repeated(batch: Batch, size: int) -> Batch:
    """``size`` rows: those of ``batch``, as often as it takes."""
    index = torch.arange(size, device=batch.num.device) % len(batch)
    optional = (None if t is None else t[index] for t in (batch.mask, batch.target, batch.weight, batch.row_id))
    return Batch(batch.num[index], batch.cat[index], *optional)

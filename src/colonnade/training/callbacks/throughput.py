"""Throughput: rows per second, seconds of an epoch, and memory."""

from __future__ import annotations

import time
from typing import Any

import psutil
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from colonnade.core.chunk import Chunk
from colonnade.training.epoch_log import log_epoch

INTERVAL = 2.0


class Throughput(Callback):
    """Logs per epoch ``time/rows_per_second`` (training alone, all processes), ``time/epoch_seconds`` (validation
    included) and ``memory/mb``: the peak of the accelerator, or what the process holds.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._start = 0.0
        self._trained = 0.0
        self._process = psutil.Process()
        self._megabytes = 0.0
        self._asked = -INTERVAL

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._begin()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; a training that is resumed within an epoch sees no start of it."""
        self._begin()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Count rows."""
        self._rows += len(batch.batch)
        self._trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log."""
        if self._rows == 0:
            return
        values = {
            "time/rows_per_second": self._rows * trainer.world_size / (self._trained - self._start),
            "time/epoch_seconds": time.perf_counter() - self._start,
            "memory/mb": self._memory(pl_module.device),
        }
        log_epoch(trainer, values)

    def _begin(self) -> None:
        self._rows = 0
        self._start = self._trained = time.perf_counter()

    def _memory(self, device: torch.device) -> float:
        if device.type == "cuda":
            return torch.cuda.max_memory_allocated(device) / 2**20
        # Asking the system takes as long as a step of a small network.
        if time.monotonic() - self._asked >= INTERVAL:
            self._asked = time.monotonic()
            self._megabytes = float(self._process.memory_info().rss) / 2**20
        return self._megabytes

"""Progress: what a person watches while it trains."""

from __future__ import annotations

import logging
import sys
import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from colonnade.core.chunk import Chunk
from colonnade.training.callbacks.early_stopping import EarlyStopping

log = logging.getLogger(__name__)


class Progress(ProgressBar):
    """A bar on a terminal, plain lines elsewhere: epoch, monitored metric, rows per second, time left.

    Nothing is formatted between two refreshments.

    Args:
        monitor: name of the metric, such as ``"val/log_loss"``.
        mode: ``"min"`` or ``"max"``.
        interval: least seconds between two refreshments of the bar, above 0.
        line_interval: least seconds between two plain lines, from 0.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, *, monitor: str, mode: str, interval: float = 0.5, line_interval: float = 10.0) -> None:
        super().__init__()
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be min or max, not {mode!r}")
        if interval <= 0:
            raise ValueError(f"interval must be above 0, not {interval!r}")
        if line_interval < 0:
            raise ValueError(f"line_interval must be 0 or more, not {line_interval!r}")
        self.monitor = monitor
        self.mode = mode
        self.interval = interval
        self.line_interval = line_interval
        self._enabled = True
        self._bar: RichProgress | None = None
        self._last: float | None = None
        self._best: float | None = None
        self._rows = 0
        self._begun = 0.0
        self._shown = 0.0
        self._first_epoch = 0

    def disable(self) -> None:
        """Show nothing, as in all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar if there is a terminal."""
        self._begun = self._shown = time.monotonic()
        self._rows, self._first_epoch = 0, trainer.current_epoch
        if self._enabled and sys.stderr.isatty():
            self._bar = RichProgress(
                BarColumn(bar_width=20),
                TextColumn("{task.description}"),
                auto_refresh=False,
                transient=True,
                console=Console(stderr=True),
            )
            self._bar.add_task("", total=trainer.num_training_batches)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Count, and refresh the bar when it is time."""
        self._rows += len(batch.batch)
        if self._bar is not None and time.monotonic() - self._shown >= self.interval:
            self._refresh(trainer, batch_idx + 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the metric; write a line when it is time or the training ends."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None:
            self._last = value.item()
            better = min if self.mode == "min" else max
            self._best = self._last if self._best is None else better(self._best, self._last)
        if self._enabled and self._bar is None and time.monotonic() - self._shown >= self.line_interval:
            self._shown = time.monotonic()
            log.info(self.text(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar and leave one line."""
        self._close()
        if self._enabled:
            log.info(self.text(trainer, ended=True))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the message stands on a line of its own."""
        self._close()

    def text(self, trainer: Trainer, *, ended: bool = False) -> str:
        """The line that is shown: the epoch at work, or the number of those done when it has ended."""
        epochs = "" if trainer.max_epochs in (None, -1) else f"/{trainer.max_epochs}"
        number = trainer.current_epoch + (0 if ended else 1)
        parts = [f"epoch {min(number, trainer.max_epochs or sys.maxsize)}{epochs}"]
        if self._last is not None:
            parts.append(f"{self.monitor} {self._last:.4g} (best {self._best:.4g})")
        elapsed = time.monotonic() - self._begun
        parts.append(f"{self._rows * trainer.world_size / max(elapsed, 1e-9):,.0f} rows/s")
        if ended:
            parts.append(f"{timedelta(seconds=round(elapsed))}")
            return " · ".join(parts)
        left = self._epochs_left(trainer)
        done = trainer.current_epoch - self._first_epoch
        if left is not None and done > 0:
            soonest, latest = (timedelta(seconds=round(n * elapsed / done)) for n in left)
            parts.append(f"{latest} left" if soonest == latest else f"{soonest} to {latest} left")
        return " · ".join(parts)

    def _epochs_left(self, trainer: Trainer) -> tuple[int, int] | None:
        """Fewest and most epochs until the end, by the patience and by ``max_epochs``."""
        if trainer.max_epochs in (None, -1):
            return None
        most = max(0, trainer.max_epochs - trainer.current_epoch)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        patience = [c.patience - c.wait_count for c in callbacks if isinstance(c, EarlyStopping)]
        return min([most, *patience]), most

    def _refresh(self, trainer: Trainer, chunks: int) -> None:
        assert self._bar is not None
        self._shown = time.monotonic()
        self._bar.update(self._bar.task_ids[0], completed=chunks, description=self.text(trainer), refresh=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

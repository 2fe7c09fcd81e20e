"""Progress: what a person watches while it trains."""

from __future__ import annotations

import io
import logging
import sys
import time
from datetime import timedelta
from math import floor
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from colonnade.core.chunk import Chunk
from colonnade.training.callbacks.early_stopping import EarlyStopping
from colonnade.training.callbacks.stop_after import StopAfter

log = logging.getLogger(__name__)

# Columns of the bar, which takes what the text beside it leaves.
NARROW, WIDE = 8, 20


class Progress(ProgressBar):
    """A bar on a terminal, plain lines elsewhere: epoch, monitored metric, rows per second, time left.

    Nothing is formatted between two refreshments. A resumed training remembers its best value.

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
        # Handlers of messages that the bar has taken over, with the stream of each.
        self._taken: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._last: float | None = None
        self._best: float | None = None
        self._rows = 0
        self._begun = 0.0
        self._shown = 0.0
        # Epochs, with their fractions: where the clock was started, and where the training is.
        self._from = 0.0
        self._at = 0.0

    def disable(self) -> None:
        """Show nothing, as in all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._rows = 0
        self._start(trainer, 0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Chunk, batch_idx: int) -> None:
        """Start the clock and open the bar at the first chunk, after whatever other callbacks did before it."""
        if self._rows == 0:
            self._start(trainer, batch_idx)
            if self._enabled and self._bar is None and sys.stderr.isatty():
                self._open(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Count, and refresh the bar when it is time."""
        self._rows += len(batch.batch)
        self._at = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
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

    def state_dict(self) -> dict[str, Any]:
        """The last and the best value."""
        return {"last": self._last, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from :meth:`state_dict`."""
        self._last = state_dict["last"]
        self._best = state_dict["best"]

    def text(self, trainer: Trainer, *, ended: bool = False, width: int | None = None) -> str:
        """The line that is shown: the epoch at work, or the number of those done when it has ended.

        Args:
            trainer: the trainer.
            ended: whether the training has.
            width: characters that there are for it: what matters least is left out. None: any number.
        """
        last = _last_epoch(trainer)
        number = trainer.current_epoch + (0 if ended else 1)
        epoch = f"epoch {number}" if last is None else f"epoch {min(number, last)}/{last}"
        metric = "" if self._last is None else f"{self.monitor} {self._last:.4g}"
        best = f"{metric} (best {self._best:.4g})" if metric else ""
        elapsed = time.monotonic() - self._begun
        speed = f"{self._rows * trainer.world_size / max(elapsed, 1e-9):,.0f} rows/s" if self._rows else ""
        clock = f"in {_clock(elapsed)}" if ended else self._left(trainer, elapsed)
        wordings = ((epoch, best, speed, clock), (epoch, best, clock), (epoch, metric, clock), (metric, clock))
        lines = [" · ".join(part for part in parts if part) for parts in wordings]
        return next((line for line in lines if width is None or len(line) <= width), lines[-1])

    def _left(self, trainer: Trainer, elapsed: float) -> str:
        """How long it will take until the end, at the earliest by the patience, at the latest by the last epoch."""
        done = self._at - self._from
        latest = _last_epoch(trainer)
        if latest is None or done <= 0:
            return ""
        patience = [c.patience - c.wait_count for c in _callbacks(trainer) if isinstance(c, EarlyStopping)]
        earliest = min([latest, *(floor(self._at) + epochs for epochs in patience)])
        soon, late = (_clock(max(0.0, end - self._at) * elapsed / done) for end in (earliest, latest))
        return f"{late} left" if soon == late else f"{soon} to {late} left"

    def _start(self, trainer: Trainer, chunks: int) -> None:
        self._begun = self._shown = time.monotonic()
        self._from = self._at = trainer.current_epoch + chunks / max(1, trainer.num_training_batches)

    def _open(self, trainer: Trainer) -> None:
        self._bar = RichProgress(
            BarColumn(bar_width=None, table_column=Column(max_width=WIDE)),
            TextColumn("{task.description}"),
            auto_refresh=False,
            transient=True,
            console=Console(stderr=True),
            # What is printed into a file or a pipe stays there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._bar.add_task("", total=trainer.num_training_batches)
        above = _Above(self._bar.console)
        self._taken = [(handler, handler.setStream(above)) for handler in _on_terminal()]
        self._bar.start()

    def _refresh(self, trainer: Trainer, chunks: int) -> None:
        assert self._bar is not None
        self._shown = time.monotonic()
        text = self.text(trainer, width=self._bar.console.width - NARROW - 1)
        self._bar.update(self._bar.task_ids[0], completed=chunks, description=text, refresh=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            for handler, stream in self._taken:
                handler.setStream(stream)
            self._taken = []


class _Above(io.TextIOBase):
    """Writes whole messages above the bar, which would otherwise share its line with them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        # Soft: a path is to be copied from the screen in one piece.
        self._console.print(Text(text), end="", soft_wrap=True)
        return len(text)


def _on_terminal() -> list[logging.StreamHandler[Any]]:
    """The handlers, of whatever logger, that write to the terminal; they hold on to the stream they were made with."""
    root = logging.getLogger()
    handlers = {h for logger in (root, *root.manager.loggerDict.values()) for h in getattr(logger, "handlers", ())}
    streams = [stream for stream in (sys.stderr, sys.stdout) if stream.isatty()]
    return [h for h in handlers if isinstance(h, logging.StreamHandler) and h.stream in streams]


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined]


def _last_epoch(trainer: Trainer) -> int | None:
    """How many epochs are trained at the most; None: no limit."""
    limits = [callback.epochs for callback in _callbacks(trainer) if isinstance(callback, StopAfter)]
    if trainer.max_epochs not in (None, -1):
        limits.append(trainer.max_epochs)
    return min(limits, default=None)


def _clock(seconds: float) -> str:
    """``12:34``, with hours and days when there are any."""
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")

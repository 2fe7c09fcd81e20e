"""StepLosses: the losses of the running epoch, guarded against values that are not finite."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.core.errors import TrainingError

N_ROWS_NAMED = 10


class _Pending(NamedTuple):
    """Losses and norms ``(2, steps)`` of a chunk on their way from the device."""

    chunk: Chunk
    both: Tensor
    event: torch.cuda.Event | None


class StepLosses:
    """Collects the loss of every step of an epoch and stops the training at the first that is NaN or infinite.

    On the processor each loss is looked at before the optimizer uses its gradients. On an accelerator that would wait
    for the device at every step; there the losses of a chunk are copied while the next chunk runs, and looked at when
    that is queued, or when a checkpoint or a validation is due, so a checkpoint never follows an unseen loss.
    """

    def __init__(self) -> None:
        self._total = 0.0
        self._norm = 0.0
        self._losses: list[Tensor] = []
        self._pending: _Pending | None = None

    def add(self, loss: Tensor, step: int, batch: Batch, epoch: int) -> None:
        """Take the loss of one step, before the optimizer does.

        Raises:
            TrainingError: it is not finite.
        """
        loss = loss.detach()
        if loss.device.type == "cpu":
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingError(describe(value, epoch, step, batch))
        self._losses.append(loss)

    def end_chunk(self, chunk: Chunk) -> None:
        """Add the losses of a chunk to the epoch."""
        both = torch.stack([torch.stack(self._losses).double(), chunk.norms.double()])
        self._losses.clear()
        if both.device.type == "cpu":
            self._sum(*both.tolist())
            return
        on_host = both.to("cpu", non_blocking=True)
        event = None
        if both.device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
        self.flush()
        self._pending = _Pending(chunk, on_host, event)

    def flush(self) -> None:
        """Wait for the losses that are on their way, and look at them.

        Raises:
            TrainingError: one is not finite.
        """
        if self._pending is None:
            return
        chunk, both, event = self._pending
        self._pending = None
        if event is not None:
            event.synchronize()
        losses, norms = both.tolist()
        for value, (step, batch, _) in zip(losses, chunk.steps()):
            if not math.isfinite(value):
                raise TrainingError(describe(value, chunk.epoch, step, batch))
        self._sum(losses, norms)

    def sums(self) -> list[float]:
        """Sum of the losses times their norms, and of the norms: what a checkpoint keeps of a running epoch."""
        self.flush()
        return [self._total, self._norm]

    def restore(self, sums: list[float]) -> None:
        """Continue an epoch from :meth:`sums`."""
        self._total, self._norm = sums

    def reset(self) -> None:
        """Begin an epoch."""
        self._total = self._norm = 0.0
        self._losses.clear()
        self._pending = None

    def _sum(self, losses: list[float], norms: list[float]) -> None:
        # One after the other, so that the sum does not depend on the size of the chunks.
        for loss, norm in zip(losses, norms):
            self._total += loss * norm
            self._norm += norm


def describe(value: float, epoch: int, step: int, batch: Batch) -> str:
    """Text of the error for a loss that is not finite, naming the rows."""
    rows = "unknown" if batch.row_id is None else ", ".join(str(i) for i in batch.row_id[:N_ROWS_NAMED].tolist())
    more = f" and {len(batch) - N_ROWS_NAMED} more" if len(batch) > N_ROWS_NAMED else ""
    return (
        f"the loss is {value} in epoch {epoch}, step {step} (row ids {rows}{more}): training stopped, and the last "
        "finite checkpoint is kept. Look at these rows, lower optim.lr, or set optim.grad_clip=1.0"
    )

"""Chunk: the batches of several consecutive optimizer steps, gathered at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from colonnade.core.batch import Batch


@dataclass
class Chunk:
    """What one ``training_step`` receives: one gather and one turn of Lightning's loop for several optimizer steps.

    Args:
        batch: the rows of all steps, one step after the other.
        sizes: rows of each step (on this process).
        norms: ``(steps,)`` float32, what the weighted sum of row losses is divided by in each step: the sum of the
            weights over all processes, divided by their number. With that, averaged gradients equal those of one
            process, even when the shares of a batch differ in size.
        epoch: epoch number, from 0.
        first_step: index within the epoch of the first step.
        longest: of sequences that differ in length, the longest of each step (on this process), to which the step is
            cut; None: all of ``batch`` is as long.
    """

    batch: Batch
    sizes: tuple[int, ...]
    norms: Tensor
    epoch: int
    first_step: int
    longest: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Chunk:
        """The same chunk on another device."""
        return replace(
            self,
            batch=self.batch.to(device, non_blocking=non_blocking),
            norms=self.norms.to(device, non_blocking=non_blocking),
        )

    def shares(self) -> tuple[Tensor, ...]:
        """What the loss of each row is multiplied by, for each step: its weight over the norm of the step, float32."""
        sizes = torch.tensor(self.sizes, device=self.norms.device)
        shares = torch.repeat_interleave(self.norms.float().reciprocal(), sizes, output_size=len(self.batch))
        if self.batch.weight is not None:
            shares = shares * self.batch.weight
        return shares.split(self.sizes)

    def steps(self) -> Iterator[tuple[int, Batch, Tensor]]:
        """Yields ``(index within the epoch, batch, norm)`` of each optimizer step, as views."""
        pieces = zip(self.batch.split(self.sizes), self.norms.unbind())
        for i, (batch, norm) in enumerate(pieces):
            yield self.first_step + i, batch if self.longest is None else batch.until(self.longest[i]), norm

"""Collected: raw outputs and targets of a whole split, to be decoded and measured once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import DataError, TrainingError
from colonnade.tasks.measures.rows import refuse_rows


@dataclass
class Collected:
    """Raw outputs of a split.

    Args:
        raw: ``(N, members, *out)`` float32.
        target: as :attr:`colonnade.core.batch.Batch.target`.
        weight: ``(N,)``; None means one.
        row_id: ``(N,)`` int64.
    """

    raw: Tensor
    target: Tensor
    weight: Tensor | None
    row_id: Tensor

    def __len__(self) -> int:
        return len(self.row_id)

    def mean(self, values: Tensor) -> float:
        """Mean of a number of each row ``(N,)``, by weight, in float64."""
        values = values.double()
        if self.weight is None:
            return values.mean().item()
        weight = self.weight.double()
        return (torch.dot(values, weight) / weight.sum()).item()

    def refuse_non_finite(self, split: str) -> None:
        """Refuse outputs that no measure is fit for.

        Args:
            split: which rows these are.

        Raises:
            TrainingError: an output is NaN or infinite; the ids of the rows are named.
        """
        refuse_rows(
            ~self.raw.isfinite().flatten(1).all(1),
            TrainingError,
            f"{split}: the output of the network is NaN or infinite",
            self.row_id,
            ": training stopped. Look at these rows, lower optim.lr, or set optim.grad_clip=1.0",
        )


class Collector:
    """Gathers batches of an evaluation, where they were computed.

    Args:
        out_shape: shape of the output of one member for one row, for a split without rows.
    """

    def __init__(self, out_shape: tuple[int, ...]) -> None:
        self.out_shape = out_shape
        self._raw: list[Tensor] = []
        self._batches: list[Batch] = []

    def add(self, raw: Tensor, batch: Batch) -> None:
        """Take the raw outputs of a batch.

        Raises:
            DataError: the batch has no targets or row ids.
        """
        if batch.target is None or batch.row_id is None:
            raise DataError("rows that are evaluated need a target and a row id; predict does without")
        self._raw.append(raw)
        self._batches.append(batch)

    def finish(self) -> Collected:
        """All rows in the order they came; forgets them."""
        raws, batches = self._raw, self._batches
        self._raw, self._batches = [], []
        if not batches:
            ids = torch.zeros(0, dtype=torch.int64)
            return Collected(raw=torch.zeros(0, 1, *self.out_shape), target=torch.zeros(0), weight=None, row_id=ids)
        weights = [batch.weight for batch in batches if batch.weight is not None]
        return Collected(
            raw=torch.cat(raws),
            target=torch.cat([batch.target for batch in batches if batch.target is not None]),
            weight=torch.cat(weights) if weights else None,
            row_id=torch.cat([batch.row_id for batch in batches if batch.row_id is not None]),
        )


def forward_raw(network: nn.Module, batch: Batch, rows: int | None) -> Tensor:
    """Raw outputs of a batch, computed ``rows`` rows at a time so that the work stays in cache; None: all at once."""
    if rows is None or len(batch) <= rows:
        raw: Tensor = network(batch).raw
        return raw.float()
    return torch.cat([network(piece).raw.float() for piece in batch.split(rows)])


def gather(collected: Collected) -> Collected:
    """The rows of all processes, in the order of their ids, none twice; the shares may differ in size.

    Every process must call it, and gets the same.
    """
    counts = [0] * dist.get_world_size()
    dist.all_gather_object(counts, len(collected))
    row_id = _gather(collected.row_id, counts)
    order = torch.argsort(row_id, stable=True)
    ordered = row_id[order]
    first = torch.ones(len(ordered), dtype=torch.bool, device=ordered.device)
    first[1:] = ordered[1:] != ordered[:-1]
    order = order[first]
    return Collected(
        raw=_gather(collected.raw, counts)[order],
        target=_gather(collected.target, counts)[order],
        weight=None if collected.weight is None else _gather(collected.weight, counts)[order],
        row_id=row_id[order],
    )


def _gather(tensor: Tensor, counts: list[int]) -> Tensor:
    """Rows of ``tensor`` from all processes, padded for the transport alone."""
    longest = max(counts)
    padded = tensor.new_zeros(longest, *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts)])

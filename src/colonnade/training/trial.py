"""Trial: optimizer steps on a copy of a network, after which nothing has changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import islice

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.tasks.base import Task
from colonnade.training.optim import OptimizerBuilder


class Trial:
    """A copy of a network under its own optimizer.

    Args:
        network: what is copied, with its weights as they stand.
        task: gives the loss.
        optim: builds the optimizer.
    """

    def __init__(self, network: nn.Module, task: Task, optim: OptimizerBuilder) -> None:
        self.network = deepcopy(network).train()
        self.task = task
        self.optimizer = optim.build(self.network)

    def step(self, batch: Batch, norm: Tensor | float, *, lr: float | None = None) -> float:
        """One optimizer step; returns its loss.

        Args:
            batch: rows with targets.
            norm: what the weighted sum of the row losses is divided by.
            lr: learning rate of every group; None: as built.
        """
        assert batch.target is not None
        if lr is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        output = self.network(batch)
        losses = self.task.row_loss(output.raw.float(), batch.target)
        loss = (losses if batch.weight is None else losses * batch.weight).sum() / norm
        if output.penalty is not None:
            loss = loss + output.penalty
        loss.backward()
        self.optimizer.step()
        return loss.item()


def range_test(
    trial: Trial, chunks: Iterable[Chunk], *, device: torch.device, lowest: float, highest: float, steps: int
) -> tuple[list[float], list[float]]:
    """Losses while the learning rate rises exponentially (Smith, "Cyclical learning rates", 2017).

    Args:
        trial: trained, and of no use afterwards.
        chunks: train rows; may be iterated repeatedly.
        device: where the network is.
        lowest, highest: first and last learning rate.
        steps: number of optimizer steps; fewer when the loss diverges.

    Returns:
        Learning rates, and the losses smoothed by a debiased moving average over some ten steps.
    """
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for i, (batch, norm) in enumerate(islice(_steps(chunks, device), steps)):
        lr = lowest * (highest / lowest) ** (i / max(1, steps - 1))
        loss = trial.step(batch, norm, lr=lr)
        average = 0.9 * average + 0.1 * loss
        smooth = average / (1.0 - 0.9 ** (i + 1))
        if not math.isfinite(loss) or (losses and smooth > 4.0 * min(losses)):
            break
        rates.append(lr)
        losses.append(smooth)
    return rates, losses


def suggestion(rates: list[float], losses: list[float]) -> float | None:
    """A third of the rate with the lowest loss, where training is fast and not yet at the edge; None with fewer than
    ten steps.

    >>> suggestion([0.1 * i for i in range(1, 12)], [3, 3, 3, 2, 2, 1, 1, 1, 0.5, 2, 3])
    0.3
    """
    if len(rates) < 10:
        return None
    return float(f"{rates[losses.index(min(losses))] / 3.0:.3g}")


def _steps(chunks: Iterable[Chunk], device: torch.device) -> Iterator[tuple[Batch, Tensor]]:
    """Steps without end."""
    while True:
        for chunk in chunks:
            for _, batch, norm in chunk.to(device).steps():
                yield batch, norm

"""Bucketed: an order in which the sequences of a step are about equally long, so that there is little padding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Bucketed:
    """Every series once, in steps of similar length; see :class:`~colonnade.data.rows.RowOrder`.

    The series are shuffled, sorted by length within pools of some steps, cut into steps, and the steps are shuffled. A
    remainder that fills no step comes last, and is drawn from all series.

    Args:
        lengths: steps of each series ``(S,)`` int64.
        batch_size: series of an optimizer step.
        seed: with the epoch, decides the order.
        pool: steps that are sorted together; the larger it is, the less padding, and the less random what a step holds.
    """

    def __init__(self, lengths: Tensor, *, batch_size: int, seed: int, pool: int = 50) -> None:
        self.lengths = lengths.numpy()
        self.batch_size = batch_size
        self.seed = seed
        self.pool = pool

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, epoch: int) -> Tensor:
        """Positions of an epoch's series, ``(S,)`` int64."""
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(len(self))
        whole = len(order) // self.batch_size * self.batch_size
        pools = np.split(order[:whole], range(self.batch_size * self.pool, whole, self.batch_size * self.pool))
        by_length = [p[np.argsort(self.lengths[p], kind="stable")].reshape(-1, self.batch_size) for p in pools]
        steps = np.concatenate(by_length)
        return torch.from_numpy(np.append(steps[generator.permutation(len(steps))].ravel(), order[whole:]))

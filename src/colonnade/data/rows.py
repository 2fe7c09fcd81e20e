"""Row orders: which rows an epoch visits, and how they are cut into steps and shared among processes.

An order is a function of ``(seed, epoch)`` alone. It knows neither the batch size nor where training was interrupted,
so that a resumed epoch goes on exactly where it stopped.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

# A last batch below this share of the batch size is merged into the one before: its gradient would be mostly noise.
SMALLEST_SHARE = 1 / 16
# Rows per process that batch normalisation needs.
SMALLEST_ROWS = 2


class RowOrder(Protocol):
    """Which rows the epochs visit, ``len(order)`` of them in each."""

    def __len__(self) -> int: ...

    def rows(self, epoch: int) -> Tensor:
        """Positions of an epoch's rows in the store, ``(N,)`` int64."""


class Permutation:
    """Every row once, in a random order.

    Args:
        n: number of rows.
        seed: with the epoch, decides the order.
    """

    def __init__(self, n: int, *, seed: int) -> None:
        self.n = n
        self.seed = seed

    def __len__(self) -> int:
        return self.n

    def rows(self, epoch: int) -> Tensor:
        """See :class:`RowOrder`."""
        return torch.from_numpy(_generator(self.seed, epoch).permutation(self.n))


class BlockShuffle:
    """Every row once; blocks of neighbouring rows are shuffled, then the rows within a window of blocks.

    For stores on disk: at any time only the rows of one window are read, in runs of a block.

    Args:
        n: number of rows.
        seed: with the epoch, decides the order.
        block: rows that lie together on disk.
        window: blocks that are mixed with each other.
    """

    def __init__(self, n: int, *, seed: int, block: int = 4096, window: int = 64) -> None:
        self.n = n
        self.seed = seed
        self.block = block
        self.window = window

    def __len__(self) -> int:
        return self.n

    def rows(self, epoch: int) -> Tensor:
        """See :class:`RowOrder`."""
        generator = _generator(self.seed, epoch)
        blocks = generator.permutation(math.ceil(self.n / self.block))
        rows = (blocks[:, None] * self.block + np.arange(self.block)).ravel()
        rows = rows[rows < self.n]
        for start in range(0, self.n, self.block * self.window):
            generator.shuffle(rows[start : start + self.block * self.window])
        return torch.from_numpy(rows)


class Balanced:
    """As many draws as rows, with replacement: first a class, all equally likely, then a row of that class.

    Rare classes are seen as often as frequent ones: their rows come again and again, while many rows of a frequent
    class do not come in a given epoch.

    Args:
        target: ``(N,)`` int64 class index of each row.
        seed: with the epoch, decides the draws.
    """

    def __init__(self, target: Tensor, *, seed: int) -> None:
        classes = target.cpu().numpy()
        self.seed = seed
        self._rows = np.argsort(classes, kind="stable")
        counts = np.bincount(classes)
        self._starts = (np.cumsum(counts) - counts)[counts > 0]
        self._counts = counts[counts > 0]

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, epoch: int) -> Tensor:
        """See :class:`RowOrder`."""
        generator = _generator(self.seed, epoch)
        drawn = generator.integers(len(self._counts), size=len(self))
        within = generator.integers(self._counts[drawn])
        return torch.from_numpy(self._rows[self._starts[drawn] + within])


def step_bounds(n: int, batch_size: int, world: int = 1) -> np.ndarray:
    """Where the optimizer steps of an epoch begin and end.

    Args:
        n: rows of an epoch.
        batch_size: rows of a step over all processes.
        world: number of processes.

    Returns:
        ``(steps + 1,)`` int64 from 0 to ``n``. A last step of fewer than two rows a process, or than a sixteenth of
        ``batch_size``, is merged into the one before.
    """
    bounds = np.append(np.arange(0, n, batch_size, dtype=np.int64), n)
    rest = n % batch_size
    if 0 < rest < max(SMALLEST_ROWS * world, SMALLEST_SHARE * batch_size) and len(bounds) > 2:
        bounds = np.delete(bounds, -2)
    return bounds


def share(bounds: np.ndarray, rank: int, world: int) -> tuple[np.ndarray, np.ndarray]:
    """Which part of each step is one process's.

    Args:
        bounds: see :func:`step_bounds`.
        rank: number of the process, from 0.
        world: number of processes.

    Returns:
        ``positions``, the places within the epoch's order that the process visits, and ``sizes`` ``(steps,)``, how many
        of them belong to each step. The pieces of a step are contiguous and differ by at most one row.
    """
    starts, rows = bounds[:-1], np.diff(bounds)
    low = starts + rows * rank // world
    sizes = starts + rows * (rank + 1) // world - low
    before = np.cumsum(sizes) - sizes
    return np.repeat(low - before, sizes) + np.arange(sizes.sum()), sizes


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch))

"""Blocks: rows of a frame, some thousand at a time, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import polars as pl
import torch


def take(frame: pl.DataFrame, rows: np.ndarray | None, start: int, stop: int) -> pl.DataFrame:
    """Rows ``start:stop`` of a frame, or of those at the positions ``rows``."""
    if rows is None:
        return frame[start:stop]
    block = rows[start:stop]
    # Out of a slice this is three times as fast as out of a frame that was read in several pieces.
    first = int(block.min())
    return frame[first : int(block.max()) + 1][block - first]


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread.

    Its threads meet at the end of every operation. For the many small ones here that gains little, and on a busy
    machine it takes far longer than the work.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def each_block(do: Callable[[int, int], None], n: int, size: int) -> None:
    """Call ``do(start, stop)`` for blocks of ``size`` out of ``n`` rows, on twice as many threads as polars has.

    Where one waits for polars, whose threads have to share the processors, another goes on.
    """
    bounds = [(start, min(start + size, n)) for start in range(0, n, size)]
    threads = pl.thread_pool_size()
    with one_thread(), ThreadPoolExecutor(2 * threads) as pool:
        run = map if len(bounds) < 2 or threads == 1 else pool.map
        for _ in run(lambda bound: do(*bound), bounds):
            pass

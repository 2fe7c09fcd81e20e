"""Loaders: chunks of shuffled optimizer steps for training, consecutive batches for evaluation.

Neither is a torch ``DataLoader``: rows are gathered as tensors, so there is nothing to collate and no worker process to
feed. Any iterable with a length serves Lightning.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.core.errors import ConfigError, DataError
from colonnade.data.rows import RowOrder, share, step_bounds
from colonnade.data.store import Rows

log = logging.getLogger(__name__)

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_STORE_DEVICES = ("auto", "cpu", "cuda")


class LoaderOptions:
    """Options of store and loaders, the YAML group ``loader``.

    Args:
        batch_size: rows of an optimizer step, over all processes; at least 1.
        eval_batch_size: rows of a batch in evaluation, for each process; at least 1.
        chunk: optimizer steps that are gathered at once and served by one ``training_step``; at least 1.
        balanced: draw train rows with replacement so that all classes are equally frequent.
        memory_limit: size of the encoded data beyond which it is written to disk and memory-mapped, such as ``"4GiB"``.
        store_device: ``"auto"``: train rows lie on the trainer's device if that is a GPU with room for them; ``"cpu"``:
            they never do; ``"cuda"``: they must.
        cache_dir: folder of the memory-mapped stores; None: the user's cache folder.
        standardise_target: bring real targets to mean 0 and standard deviation 1 for the loss.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self,
        *,
        batch_size: int = 256,
        eval_batch_size: int = 4096,
        chunk: int = 16,
        balanced: bool = False,
        memory_limit: str | int = "4GiB",
        store_device: str = "auto",
        cache_dir: str | None = None,
        standardise_target: bool = True,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size), ("chunk", chunk)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if store_device not in _STORE_DEVICES:
            raise ValueError(f"store_device='{store_device}' must be one of {', '.join(_STORE_DEVICES)}")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.chunk = chunk
        self.balanced = balanced
        self.memory_limit = parse_bytes(memory_limit)
        self.store_device = store_device
        self.cache_dir = cache_dir
        self.standardise_target = standardise_target


class ChunkLoader:
    """Shuffled train rows, in chunks of optimizer steps.

    Each process visits its share of every step. Iterating reads ``position`` when the first chunk is asked for, and
    goes on from there: a resumed training takes up the epoch where it stopped, whatever was fetched but not trained on.

    Args:
        store: the train rows.
        order: the rows of an epoch.
        batch_size: rows of a step over all processes; when larger than the data, all rows are one step, with a warning.
        chunk: steps in a chunk.
        position: gives ``(epoch, chunks of it that are done)``.
        rank, world: this process and the number of processes.

    Raises:
        ConfigError: the batch is smaller than the number of processes.
        DataError: there are fewer rows than processes.
    """

    def __init__(
        self,
        store: Rows,
        order: RowOrder,
        *,
        batch_size: int,
        chunk: int,
        position: Callable[[], tuple[int, int]],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size < world:
            raise ConfigError(
                f"loader.batch_size={batch_size} is shared by {world} processes; it must be at least {world}"
            )
        if len(order) < world:
            raise DataError(f"{len(order)} train rows cannot be shared by {world} processes; set trainer.devices=1")
        if batch_size > len(order):
            log.warning("loader.batch_size=%d is more than the %d train rows: shrunk to them", batch_size, len(order))
            batch_size = len(order)
        self.store = store
        self.order = order
        self.chunk = chunk
        self.world = world
        self._position = position
        self._bounds = step_bounds(len(order), batch_size, world)
        self._places, self._sizes = share(self._bounds, rank, world)
        self._starts = np.append(0, np.cumsum(self._sizes))

    @property
    def n_rows(self) -> int:
        """Rows of an epoch over all processes."""
        return len(self.order)

    @property
    def n_steps(self) -> int:
        """Optimizer steps of an epoch."""
        return len(self._sizes)

    def __len__(self) -> int:
        """Chunks of an epoch."""
        return math.ceil(self.n_steps / self.chunk)

    def __iter__(self) -> Iterator[Chunk]:
        # A generator: nothing below runs before the first chunk is asked for.
        epoch, done = self._position()
        device = self.store.device
        order = self.order.rows(epoch)
        norms = self._norms(order).to(device)
        if self.world > 1:
            order = order[torch.from_numpy(self._places)]
        longest = self._longest(order)
        order = order.to(device)
        for first in range(done * self.chunk, self.n_steps, self.chunk):
            last = min(first + self.chunk, self.n_steps)
            yield Chunk(
                batch=self.store.gather(order[self._starts[first] : self._starts[last]]),
                sizes=tuple(self._sizes[first:last].tolist()),
                norms=norms[first:last],
                epoch=epoch,
                first_step=first,
                longest=None if longest is None else tuple(longest[first:last].tolist()),
            )

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the position is the trainer's own progress.

        Lightning takes a loader with this method for one that can resume, and warns of unreliable results without it.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore, see :meth:`state_dict`."""

    def _longest(self, order: torch.Tensor) -> np.ndarray | None:
        """Longest sequence of each step of this process, ``(steps,)``; None where there is nothing to cut."""
        lengths = self.store.lengths
        return None if lengths is None else np.maximum.reduceat(lengths[order].numpy(), self._starts[:-1])

    def _norms(self, order: torch.Tensor) -> torch.Tensor:
        """Sum of the weights of each step over all processes, divided by their number, ``(steps,)`` float32."""
        sums = torch.from_numpy(np.diff(self._bounds)).double()
        if self.store.weight is not None:
            # Summed in float64 over the whole epoch, so that no norm depends on the chunk or the number of processes.
            weights = self.store.weight.cpu()[order].double()
            sums = torch.segment_reduce(weights, "sum", lengths=torch.from_numpy(np.diff(self._bounds)))
            # A step without weight has no loss to divide.
            sums = torch.where(sums > 0, sums, 1.0)
        return (sums / self.world).float()


class EvalLoader:
    """Rows in their order, in batches that are views of the store.

    The rows are shared among processes in contiguous pieces that differ by at most one row, none twice and none padded.
    Each process gets the same number of batches: wrapped models exchange buffers in every forward pass, in evaluation
    too, and would wait for ever for a process that has no further batch.

    Args:
        store: the rows.
        batch_size: rows of a batch; one more in rare cases where pieces differ.
        rank, world: this process and the number of processes.
        what: what the rows are, for messages.

    Raises:
        DataError: there are rows, but fewer than processes.
    """

    def __init__(
        self, store: Rows, *, batch_size: int, rank: int = 0, world: int = 1, what: str = "evaluation"
    ) -> None:
        n = len(store)
        if 0 < n < world:
            raise DataError(f"{n} {what} rows cannot be shared by {world} processes; set trainer.devices=1")
        self.store = store
        start, stop = n * rank // world, n * (rank + 1) // world
        batches = min(math.ceil(math.ceil(n / world) / batch_size), n // world)
        if world == 1:
            self._bounds = [*range(0, n, batch_size), n] if n else [0]
        else:
            self._bounds = [start + (stop - start) * i // batches for i in range(batches + 1)] if n else [0]

    def __len__(self) -> int:
        """Batches of this process."""
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[Batch]:
        for start, stop in zip(self._bounds, self._bounds[1:]):
            yield self.store.rows(start, stop)


def parse_bytes(text: str | int) -> int:
    """Number of bytes in a size such as ``"512MiB"``, ``"4 GB"`` or ``1000``; units are powers of 1024.

    Raises:
        ValueError: the text is no size, or negative.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), flags=re.IGNORECASE)
    if match is None:
        raise ValueError(f"memory_limit='{text}' must be a size such as 512MiB or 4GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])

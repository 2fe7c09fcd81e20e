"""SequenceDataModule: from a data set of sequences to loaders; what it does otherwise than for a table."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import DataError
from colonnade.core.spec import BatchSpec
from colonnade.data.datamodule import TableDataModule
from colonnade.data.rows import RowOrder
from colonnade.data.sequences.bucketed import Bucketed
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.store import SequenceStore
from colonnade.data.store import Rows, encoded_bytes


class SequenceDataModule(TableDataModule):
    """Sequences, ready to be trained on: split, targets and loaders are those of a table with a row for each series.

    The pipeline is fitted on the steps of the train series, all together; it encodes each step by itself. Encoded steps
    lie in memory.

    Raises:
        DataError: from :meth:`setup`: the encoded steps need more than ``loader.memory_limit``.
    """

    def _leaks(self) -> list[str]:
        # What gives a series away may lie in any of its steps, or in their order: no column is looked at by itself.
        return []

    def _fit_pipeline(self, target: Tensor, train: np.ndarray) -> None:
        steps, offsets = steps_of(self.table.frame, self.table.schema.features)
        rows = positions(_ranges(offsets, train))
        of_steps = target.repeat_interleave(torch.from_numpy(np.diff(offsets)[train]), 0)
        self.pipeline = self._unfitted.fit(steps, self.table.schema, of_steps, rows, self._seed)

    def _encode(self, rows: dict[str, np.ndarray], targets: dict[str, Tensor]) -> dict[str, Rows]:
        weight = self._weights(rows["train"])
        steps, offsets = steps_of(self.table.frame, self.table.schema.features)
        self._check_memory(len(steps))
        coded = self.pipeline.code(steps)
        # A column of steps parts no series into groups.
        self.kept = {}
        self._let_go()
        stores: dict[str, Rows] = {}
        for part, index in rows.items():
            encode = self.pipeline.encode_train if part == "train" else self.pipeline.encode
            lengths = torch.from_numpy(np.diff(offsets)[index])
            num, cat = encode(coded, rows=positions(_ranges(offsets, index)))
            stores[part] = SequenceStore(
                num=num,
                cat=cat.int(),
                spans=torch.stack([lengths.cumsum(0) - lengths, lengths.cumsum(0)], dim=1),
                row_id=torch.from_numpy(self._ids(index)),
                target=targets[part],
                weight=None if weight is None else weight[torch.from_numpy(index)],
                lengths=None if len(lengths.unique()) < 2 else lengths,
            )
        return stores

    def _check_memory(self, n_steps: int) -> None:
        need = encoded_bytes(n_steps, len(self.pipeline.num_names), len(self.pipeline.cat_names))
        if need > self._options.memory_limit:
            raise DataError(
                f"{n_steps:,} encoded steps need {need / 2**30:.2f} GiB of memory: raise loader.memory_limit= (they "
                "are not mapped to disk, as tables are)"
            )

    def _spec(self, train: Rows) -> BatchSpec:
        assert isinstance(train, SequenceStore)
        assert train.target is not None
        return self._described(
            target=train.target, num=train.num, n_train=len(train), n_steps=int(train.spans.diff(dim=1).max())
        )

    def _order(self, store: Rows) -> RowOrder:
        if self._options.balanced or store.lengths is None:
            return super()._order(store)
        return Bucketed(store.lengths, batch_size=min(self._options.batch_size, len(store)), seed=self._seed)


def _ranges(offsets: np.ndarray, index: np.ndarray) -> np.ndarray:
    """First step of some series, and the one behind the last, ``(S, 2)``."""
    return np.stack([offsets[:-1][index], offsets[1:][index]], axis=1)


def positions(ranges: np.ndarray) -> np.ndarray:
    """All integers of some ranges ``(S, 2)``, one range after the other."""
    lengths = ranges[:, 1] - ranges[:, 0]
    before = np.cumsum(lengths) - lengths
    return np.repeat(ranges[:, 0] - before, lengths) + np.arange(lengths.sum())

"""StepDataModule: from steps with a target each to loaders of histories."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.data.datamodule import TableDataModule
from colonnade.data.sequences.datamodule import SequenceDataModule
from colonnade.data.sequences.history import spans_of
from colonnade.data.sequences.labelled import Labelled
from colonnade.data.sequences.purged import Purged
from colonnade.data.sequences.steps import TORN, StepDataset
from colonnade.data.sequences.store import SequenceStore
from colonnade.data.split.shuffled import Random, Stratified
from colonnade.data.store import Rows
from colonnade.data.target import check_target


class StepDataModule(SequenceDataModule):
    """Steps, ready to be trained on: split, targets and pipeline are those of a table; a batch holds the history of
    each of its steps.

    All parts share one store of encoded steps.

    Raises:
        ConfigError: from :meth:`setup`: the split would tear series apart, so that the neighbours of a test step are
            learned from.
    """

    def _divide(self) -> tuple[dict[str, np.ndarray], dict[str, Tensor]]:
        if isinstance(self._splitter, (Random, Stratified)):
            raise ConfigError(f"split: {TORN}: split=auto, which is by series, or by time where there is one")
        dataset = self._dataset
        assert isinstance(dataset, StepDataset)
        if dataset.lead:
            self._splitter = Purged(
                self._splitter, id=dataset.id, lead=dataset.lead, clock=dataset.clock, due=dataset.due
            )
        if dataset.sparse:
            self._splitter = Labelled(self._splitter)
        return super()._divide()

    def _check_target(self) -> None:
        table = self._dataset.learned(self.table)
        check_target(table.frame, table.schema, self._kind, row_ids=table.row_ids)

    def _shared_features(self, rows: dict[str, np.ndarray]) -> dict[str, int]:
        # Steps are often alike; their histories are not.
        return {}

    def _fit_pipeline(self, target: Tensor, train: np.ndarray) -> None:
        TableDataModule._fit_pipeline(self, target, train)

    def _encode(self, rows: dict[str, np.ndarray], targets: dict[str, Tensor]) -> dict[str, Rows]:
        table = self.table
        assert isinstance(self._dataset, StepDataset)
        weight = self._weights(rows["train"])
        spans = spans_of(table.frame[self._dataset.id], table.parts, self._dataset.look_back)
        self._check_memory(len(spans))
        num, cat = self.pipeline.encode(self.pipeline.code(table.frame))
        self.kept = {}
        self._let_go()
        self._train = torch.from_numpy(np.asarray(rows["train"]))
        stores: dict[str, Rows] = {}
        for part, index in rows.items():
            of_part = torch.from_numpy(spans[index])
            lengths = of_part[:, 1] - of_part[:, 0]
            stores[part] = SequenceStore(
                num=num,
                cat=cat.int(),
                spans=of_part,
                row_id=torch.from_numpy(self._ids(index)),
                target=targets[part],
                weight=None if weight is None else weight[torch.from_numpy(index)],
                lengths=None if len(lengths.unique()) < 2 else lengths,
            )
        return stores

    def _spec(self, train: Rows) -> BatchSpec:
        assert isinstance(train, SequenceStore)
        assert isinstance(self._dataset, StepDataset)
        assert train.target is not None
        return self._described(
            target=train.target, num=train.num[self._train], n_train=len(train), n_steps=self._dataset.look_back
        )

"""Joined: train and validation rows of another split as one train part, once the model has been chosen."""

from __future__ import annotations

import numpy as np

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Splitter, need_seed
from colonnade.data.split.record import Split, digest
from colonnade.data.table import Table


class Joined(Splitter):
    """The split of ``base``, its val rows in train. Its test rows stay the test rows; the val part is empty.

    Args:
        base: how the rows were divided while the model was chosen.
        seed: of that division, from 0; None: that of the run.
        test_sha256: of the positions of its test rows, as ``split.json`` has it; None: not compared.

    Raises:
        ValueError: ``base`` is no splitter, or ``seed`` is out of range.
    """

    def __init__(self, *, base: Splitter, seed: int | None = None, test_sha256: str | None = None) -> None:
        if not isinstance(base, Splitter):
            raise ValueError(f"split.base={base!r} is no splitter: a node such as {{_target_: ...Random}}")  # noqa: TRY004
        self.seed = need_seed(seed)
        self.base = base
        self.test_sha256 = test_sha256

    def declares_test(self, table: Table) -> bool:
        """Where the base does."""
        return self.base.declares_test(table)

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`.

        Raises:
            DataError: the test rows are others than ``test_sha256`` says, so that rows of the former test part may
                now be trained on.
        """
        split = self.base.split(table, kind, self.chance(seed))
        if self.test_sha256 is not None and digest(split.test) != self.test_sha256:
            raise DataError(
                f"the test rows ({len(split.test):,}, {split.how}) are not those of the split.json that "
                "split.test_sha256 was taken from: the data have changed since, or another version divides them "
                "otherwise; train anew"
            )
        none = np.zeros(0, dtype=np.int64)
        return Split(np.concatenate([split.train, split.val]), none, split.test, f"{split.how}; val joined to train")

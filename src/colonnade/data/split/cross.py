"""Cross-validation: how rows are cut into folds, and the split of the training that leaves one of them out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Splitter, check, need_seed
from colonnade.data.split.record import Split
from colonnade.data.table import Table

if TYPE_CHECKING:
    from colonnade.data.dataset import TableDataset

TRAIN, VAL, FOLD, UNUSED = 0, 1, 2, -1


class CrossValidator(ABC):
    """Cuts the data into folds. A fold is predicted by a model that is trained, and stopped, on what is not in it.

    Args:
        folds: number of folds, at least 2.
        repeats: how often all rows are cut anew, at least 1.
        hold_out: what is in no fold, and measures the mean of all models: the test part that the data set or ``split=``
            ``"declared"``, that of ``"split"``, whatever it is, or ``"none"``.
        inner: cross-validation within what is outside of a fold, which is then predicted by the mean of its models
            (nested cross-validation); None: one model.
        packed: whether the trainings are batched as one where that is possible, see ``colonnade.runs.packed``; which
            changes how long they take, and nothing else.

    Raises:
        ValueError: out of range, naming the YAML key.
    """

    of_fold: ClassVar[str]
    """Dotted name of the splitter of one training: it takes ``cross``, ``base``, ``fold`` and ``seed``."""

    def __init__(
        self,
        *,
        folds: int,
        repeats: int = 1,
        hold_out: Literal["declared", "split", "none"] = "declared",
        inner: CrossValidator | None = None,
        packed: bool = False,
    ) -> None:
        if folds < 2:
            raise ValueError(f"cv.folds={folds} must be at least 2")
        if repeats < 1:
            raise ValueError(f"cv.repeats={repeats} must be at least 1")
        if hold_out not in ("declared", "split", "none"):
            raise ValueError(f"cv.hold_out={hold_out!r} must be declared, split or none")
        if not isinstance(inner, CrossValidator | None):
            raise ValueError(f"cv.inner={type(inner).__name__} makes no folds: Folds, TimeFolds or null")  # noqa: TRY004
        if packed and inner is not None:
            raise ValueError("cv.packed=true: the trainings are those of the inner folds; cv.inner.packed=true")
        self.folds = folds
        self.repeats = repeats
        self.hold_out = hold_out
        self.inner = inner
        self.packed = packed

    def __len__(self) -> int:
        """Number of trainings."""
        return self.folds * self.repeats

    def holds_out(self, declared: bool) -> bool:
        """Whether the test part of the split is in no fold, which may be a declared one."""
        return self.hold_out == "split" or (self.hold_out == "declared" and declared)

    @abstractmethod
    def held(self, dataset: TableDataset, table: Table, kind: TargetKind, base: Splitter, seed: int) -> np.ndarray:
        """What is held out from all folds, as :meth:`~colonnade.data.dataset.TableDataset.part` takes it.

        Args:
            dataset: what the table was read by.
            table, kind, base, seed: see :meth:`RowFolds.pool`.
        """


class RowFolds(CrossValidator):
    """Cuts rows into folds.

    Args:
        folds, repeats, hold_out, inner, packed: see :class:`CrossValidator`.
        val: share of the rows outside of the fold that stop the training, in (0, 1).

    Raises:
        ValueError: out of range, naming the YAML key.
    """

    of_fold = "colonnade.data.split.Fold"

    def __init__(
        self,
        *,
        folds: int = 5,
        repeats: int = 1,
        val: float = 0.2,
        hold_out: Literal["declared", "split", "none"] = "declared",
        inner: CrossValidator | None = None,
        packed: bool = False,
    ) -> None:
        super().__init__(folds=folds, repeats=repeats, hold_out=hold_out, inner=inner, packed=packed)
        if not 0 < val < 1:
            raise ValueError(f"cv.val={val} must be between 0 and 1")
        self.val = val

    @abstractmethod
    def assign(self, table: Table, kind: TargetKind, rows: np.ndarray, fold: int, seed: int) -> np.ndarray:
        """What each of ``rows`` is to the training that leaves a fold out.

        Args:
            table: the whole table.
            kind: kind of the target.
            rows: positions to divide.
            fold: from 0 to ``len(self) - 1``; every ``folds`` of them are a repeat.
            seed: the same for all folds.

        Returns:
            ``(len(rows),)`` int64: ``TRAIN``, ``VAL``, ``FOLD`` or ``UNUSED``.

        Raises:
            DataError: the rows cannot be divided this way.
        """

    @abstractmethod
    def describe(self, table: Table, kind: TargetKind) -> str:
        """What is done, in words, for the record."""

    def pool(self, table: Table, kind: TargetKind, base: Splitter, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows that are cut into folds, and of those that are held out from all of them.

        Args:
            table: the whole table.
            kind: kind of the target.
            base: the split that a single training would have.
            seed: of that split.
        """
        declared = base.declares_test(table)
        none = np.zeros(0, dtype=np.int64)
        held = self.holds_out(declared)
        if not declared and not held:
            return np.arange(table.frame.height), none
        split = base.split(table, kind, seed)
        rest = [split.train, split.val]
        if not held:
            return np.sort(np.concatenate([*rest, split.test])), none
        return np.sort(np.concatenate(rest)), split.test

    def held(self, dataset: TableDataset, table: Table, kind: TargetKind, base: Splitter, seed: int) -> np.ndarray:
        """Positions of rows."""
        return self.pool(table, kind, base, seed)[1]


class Fold(Splitter):
    """The split of one training of a cross-validation: its fold is the test part, val comes from the other rows.

    Args:
        cross: how the rows are cut.
        base: the split that a single training would have; its test rows may be held out from all folds.
        fold: which one, from 0.
        seed: of the folds, from 0; None: that of the run.

    Raises:
        ValueError: out of range, or one of another kind.
    """

    def __init__(self, *, cross: RowFolds, base: Splitter, fold: int, seed: int | None = None) -> None:
        if not isinstance(cross, RowFolds):
            raise ValueError(f"split.cross={type(cross).__name__} makes no folds: Folds or TimeFolds")  # noqa: TRY004
        if not isinstance(base, Splitter):
            raise ValueError(f"split.base={base!r} is no splitter: a node such as {{_target_: ...Random}}")  # noqa: TRY004
        if not 0 <= fold < len(cross):
            raise ValueError(f"split.fold={fold} must be between 0 and {len(cross) - 1}")
        self.seed = need_seed(seed)
        self.cross = cross
        self.base = base
        self.fold = fold

    def declares_test(self, table: Table) -> bool:
        """The fold."""
        return True

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`. Rows that are held out from all folds are in no part."""
        seed = self.chance(seed)
        rows, _ = self.cross.pool(table, kind, self.base, seed)
        labels = np.full(table.frame.height, UNUSED)
        labels[rows] = self.cross.assign(table, kind, rows, self.fold, seed)
        repeat, number = divmod(self.fold, self.cross.folds)
        again = f", repeat {repeat} of {self.cross.repeats}" if self.cross.repeats > 1 else ""
        how = f"fold {number} of {self.cross.folds}{again}, {self.cross.describe(table, kind)}"
        split = Split.from_labels(labels, how)
        check(split, table, kind)
        return split

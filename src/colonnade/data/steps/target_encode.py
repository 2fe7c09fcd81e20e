"""Target encoding: the mean target of a level, cross-fitted so that no train row sees its own target."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Fitted, Step, index_of, others, positions
from colonnade.data.steps.codes import FromTable, offsets, with_numbers
from colonnade.data.steps.scores import target_scores


class TargetEncode(Step):
    """Add measured columns ``<name>.target``: the mean target of a level, drawn towards the overall mean.

    The encoding is ``(sum + smoothing * mean) / (count + smoothing)``: ``sklearn.preprocessing.TargetEncoder``. Train
    rows are encoded from the other folds. Several classes, labels or targets give a column each, two classes one. Comes
    before scaling. (Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD
    Explorations 3, 2001.)

    Args:
        columns: which categories; None: all with at least ``min_levels`` levels.
        min_levels: see ``columns``.
        smoothing: train rows that the overall mean weighs as much as.
        folds: parts of the train rows.
        keep: keep the codes too.

    Raises:
        ValueError: ``min_levels`` below 1, ``smoothing`` below 0 or ``folds`` below 2.
    """

    uses_target = True

    def __init__(
        self,
        *,
        columns: Sequence[str] | None = None,
        min_levels: int = 10,
        smoothing: float = 10.0,
        folds: int = 5,
        keep: bool = False,
    ) -> None:
        if min_levels < 1:
            raise ValueError(f"min_levels must be at least 1, got {min_levels!r}")
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be at least 0, got {smoothing!r}")
        if folds < 2:
            raise ValueError(f"folds must be at least 2, got {folds!r}")
        self.columns = columns
        self.min_levels = min_levels
        self.smoothing = smoothing
        self.folds = folds
        self.keep = keep

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Sum the targets of each level, over all train rows and over those outside each fold. See :meth:`Step.fit`."""
        chosen = positions(layout.cat, self.columns, "TargetEncode")
        if self.columns is None:
            chosen = [i for i in chosen if len(layout.levels[i]) >= self.min_levels]
        if not chosen:
            return Fitted(None, layout)
        sizes = [layout.cardinalities[i] for i in chosen]
        offset = offsets(sizes)
        target = target_scores(train.target)
        fold = torch.randperm(len(train), generator=generator) % self.folds
        sums, count = _per_fold(train.codes[chosen] + offset, target, fold, sum(sizes), self.folds)
        totals = target.new_zeros((self.folds, target.shape[1])).index_add_(0, fold, target)
        sizes_of_folds = torch.bincount(fold, minlength=self.folds)
        table = self._table(sums.sum(0), count.sum(0), totals.sum(0), sizes_of_folds.sum())
        out_of_fold = torch.stack(
            [
                self._table(
                    sums.sum(0) - sums[i],
                    count.sum(0) - count[i],
                    totals.sum(0) - totals[i],
                    len(train) - sizes_of_folds[i],
                )
                for i in range(self.folds)
            ]
        )
        rest = list(range(len(layout.cat))) if self.keep else others(len(layout.cat), chosen)
        sources = [layout.cat[i] for i in chosen]
        outputs = [""] if target.shape[1] == 1 else [f".{i}" for i in range(target.shape[1])]
        added = layout.fresh(f"{name}.target{output}" for name in sources for output in outputs)
        module = WithTarget(
            names=sources, added=added, source=index_of(chosen), rest=index_of(rest), table=table, offset=offset
        )
        module.cross_fit(out_of_fold, fold)
        return Fitted(module, with_numbers(layout, added, rest))

    def _table(self, sums: Tensor, count: Tensor, total: Tensor, rows: Tensor | int) -> Tensor:
        """Smoothed means; a code without rows has the overall mean, even without smoothing."""
        mean = total / max(int(rows), 1)
        weight = count[:, None] + self.smoothing
        return torch.where(weight > 0, (sums + self.smoothing * mean) / weight.clamp(min=1e-300), mean)


def _per_fold(codes: Tensor, target: Tensor, fold: Tensor, size: int, folds: int) -> tuple[Tensor, Tensor]:
    """Sums ``(folds, size, outputs)`` and counts ``(folds, size)`` of the target by fold and code."""
    sums = target.new_zeros((folds * size, target.shape[1]))
    count = torch.zeros(folds * size, dtype=torch.float64)
    for column in codes:
        place = fold * size + column
        sums.index_add_(0, place, target)
        count += torch.bincount(place, minlength=folds * size)
    return sums.view(folds, size, -1), count.view(folds, size)


class WithTarget(FromTable):
    """Fitted :class:`TargetEncode`. What only train rows need is not stored."""

    _out_of_fold: Tensor | None = None
    _fold: Tensor | None = None

    def cross_fit(self, tables: Tensor, fold: Tensor) -> None:
        """Give the tables without one fold, ``(folds, T, outputs)``, and the fold of each train row, ``(N,)`` int64."""
        self._out_of_fold = tables.flatten(0, 1)
        self._fold = fold

    def encode_train(self, columns: Columns, rows: Tensor) -> Columns:
        """Append the encodings from the folds that a row is not in.

        Raises:
            RuntimeError: the step was loaded from a file.
        """
        if self._out_of_fold is None or self._fold is None:
            raise RuntimeError("out-of-fold encodings are known only where the pipeline was fitted: fit it again")
        return self.append(columns, self._out_of_fold, self._fold[rows] * len(self.table))

    def formula(self, name: str, new: str) -> str:
        """In words."""
        return f"smoothed mean target of train rows with this {name}"

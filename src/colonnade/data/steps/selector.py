"""Selector: what all steps share that keep some of the encoded columns by a score."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from colonnade.data.columns import Layout, TrainRows
from colonnade.data.steps.base import Fitted, Step, Verdict
from colonnade.data.steps.drop import keep_columns
from colonnade.data.steps.scores import standard_scores

# Trees of scikit-learn hold float32.
_LARGEST = 1e30
# Train rows below which nothing can be learned from some and told of the others.
_LEAST = 10


@dataclass(frozen=True)
class Sample:
    """Train rows, as a step that selects looks at them.

    Args:
        x: ``(N, C)`` float64, numbers, flags and codes of categories; a missing number is the mean of its column.
        y: ``(N, outputs)`` float64 targets, or indicators of classes, as standard scores.
        target: ``(N, ...)``, as ``Batch.target``.
        names: of the columns.
        categories: how many of them, the last ones, are codes.
    """

    x: np.ndarray
    y: np.ndarray
    target: np.ndarray
    names: tuple[str, ...]
    categories: int


@dataclass(frozen=True)
class Score:
    """A score, and what it has to pass.

    Args:
        value, limit: the column stays where the value is above the limit.
        why: what the value is, in words; None: the column was not looked at, and stays.
    """

    value: float
    limit: float
    why: str | None


class Selector(Step):
    """Keeps the columns whose score is above its limit, and the best one in any case; all of them where there are fewer
    than ten train rows to ask for the target.

    Args:
        rows: train rows that are looked at, drawn by the seed.
        max_columns: columns to keep at most, the best ones; None: no limit.

    Raises:
        ValueError: ``rows`` below 50 or ``max_columns`` below 1.
    """

    uses_target = True

    def __init__(self, *, rows: int, max_columns: int | None) -> None:
        if rows < 50:
            raise ValueError(f"rows must be at least 50, got {rows!r}")
        if max_columns is not None and max_columns < 1:
            raise ValueError(f"max_columns must be at least 1, got {max_columns!r}")
        self.rows = rows
        self.max_columns = max_columns

    @abstractmethod
    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """The score of each column of the sample."""

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Score the columns, and keep some. See :meth:`Step.fit`."""
        sample = _sample(train, layout, self.rows, generator)
        if len(sample.names) < 2 or (self.uses_target and not sample.y.shape[1]):
            return Fitted(None, layout)
        if self.uses_target and len(sample.x) < _LEAST:
            return Fitted(None, layout, [f"{len(sample.x)} train rows are too few to choose columns by: all stay"])
        scores = self.scores(sample, generator)
        rank = sorted(range(len(scores)), key=lambda i: (scores[i].why is not None, scores[i].limit - scores[i].value))
        kept = {i for i in rank if scores[i].why is None or scores[i].value > scores[i].limit}
        kept = {i for i in rank[: self.max_columns] if i in kept} or {rank[0]}
        verdicts = [
            Verdict(name, s.value, s.limit, i in kept, _why(s, i in kept))
            for i, (name, s) in enumerate(zip(sample.names, scores, strict=True))
        ]
        if len(kept) == len(scores):
            return Fitted(None, layout, verdicts=verdicts)
        log = [f"column '{v.column}' dropped: {v.why}" for v in verdicts if not v.kept]
        sizes = (len(layout.num), len(layout.flag), len(layout.cat))
        starts = np.cumsum([0, *sizes])
        num, flag, cat = ([i - start for i in sorted(kept) if 0 <= i - start < n] for start, n in zip(starts, sizes))
        module, new = keep_columns(layout, num, flag, cat, range(len(layout.time)))
        return Fitted(module, new, log, verdicts)


def _why(score: Score, kept: bool) -> str:
    if score.why is None:
        return "kept: not looked at"
    passed = score.value > score.limit
    if kept:
        return f"kept: {score.why}" if passed else f"kept, the best of all: {score.why}"
    return f"{score.why} is not above {score.limit:.4g}" if not passed else f"{score.why}: others say more"


def _sample(train: TrainRows, layout: Layout, rows: int, generator: torch.Generator) -> Sample:
    place = torch.randperm(len(train.rows), generator=generator)[:rows].sort().values
    num, flag, cat, _ = (block[:, place] for block in train.columns)
    num = num.clamp(-_LARGEST, _LARGEST)
    num = torch.where(num.isnan(), num.nanmean(1, keepdim=True).nan_to_num(0.0), num)
    target = train.target[train.rows[place]]
    return Sample(
        x=torch.cat([num, flag.to(num.dtype), cat.to(num.dtype)]).T.contiguous().numpy(),
        y=standard_scores(target).numpy(),
        target=target.numpy(),
        names=(*layout.num, *layout.flag, *layout.cat),
        categories=len(layout.cat),
    )


def halves(n: int, held_out: float, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions of ``n`` rows to learn from, and of those held out."""
    order = torch.randperm(n, generator=generator).numpy()
    cut = max(1, round(n * held_out))
    return np.sort(order[cut:]), np.sort(order[:cut])


def shuffled(x: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """The rows in another order."""
    return x[torch.randperm(len(x), generator=generator).numpy()]

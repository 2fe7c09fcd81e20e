"""Duplicates: columns that say what an earlier one says already."""

from __future__ import annotations

import numpy as np
import torch

from colonnade.data.steps.selector import Sample, Score, Selector


class Duplicates(Selector):
    """Drop numbers that are a linear function of an earlier column, and categories that part the rows as one does.

    Compared are pairs of columns, on the train rows that are looked at; the earlier one stays. The score of a column is
    1 minus the largest absolute correlation with one that stays (of categories 0 where the two go together row by row).

    Args:
        correlation: absolute Pearson correlation from which a number is a duplicate; 1: exact ones, up to rounding.
        rows: train rows that are looked at.

    Raises:
        ValueError: ``correlation`` outside (0, 1], ``rows`` below 50.
    """

    uses_target = False

    def __init__(self, *, correlation: float = 1.0, rows: int = 50_000) -> None:
        super().__init__(rows=rows, max_columns=None)
        if not 0 < correlation <= 1:
            raise ValueError(f"correlation must be above 0 and at most 1, got {correlation!r}")
        self.correlation = correlation

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`Duplicates`."""
        cut = len(sample.names) - sample.categories
        x = sample.x[:, :cut] - sample.x[:, :cut].mean(0)
        norm = np.sqrt(np.square(x).sum(0))
        unit = x / np.where(norm > 1e-12 * max(1.0, float(norm.max(initial=0.0))), norm, np.inf)
        # Rounding of a sum over the rows.
        limit = 1 - min(self.correlation, 1 - 1e-9)
        scores: list[Score] = []
        stays: list[int] = []
        for i in range(cut):
            with_each = np.abs(unit[:, stays].T @ unit[:, i])
            best = int(with_each.argmax()) if stays else -1
            score = 1 - float(with_each[best]) if stays else 1.0
            other = f"correlation {1 - score:.6g} with '{sample.names[stays[best]]}'" if stays else "the first"
            scores.append(Score(score, limit, other))
            if score > limit:
                stays.append(i)
        known: dict[bytes, str] = {}
        for i in range(cut, len(sample.names)):
            # Codes numbered by their first row.
            _, first, code = np.unique(sample.x[:, i], return_index=True, return_inverse=True)
            same = known.setdefault(first.argsort().argsort()[code].tobytes(), sample.names[i])
            alone = same == sample.names[i]
            scores.append(Score(float(alone), 0.0, "no other like it" if alone else f"parts the rows as '{same}' does"))
        return scores

"""Null importance: whether a column matters more for the target than for shuffled targets."""

from __future__ import annotations

import numpy as np
import torch

from colonnade.data.steps.selector import Sample, Score, Selector, shuffled


class NullImportance(Selector):
    """Keep columns whose importance is above that of nearly all forests that were fitted on shuffled targets.

    The importance is that of extremely randomised trees, the variance that splits on the column take away. Columns of
    many values are important for any target; what they reach by chance is what they are compared with here (Altmann et
    al., "Permutation importance: a corrected feature importance measure", Bioinformatics 26, 2010).

    Args:
        quantile: of the importances for shuffled targets, which a column has to pass.
        shuffles: forests that are fitted on shuffled targets.
        trees: of a forest.
        max_columns: columns to keep at most; None: no limit.
        rows: train rows that are looked at.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        quantile: float = 0.95,
        shuffles: int = 20,
        trees: int = 50,
        max_columns: int | None = None,
        rows: int = 5000,
    ) -> None:
        super().__init__(rows=rows, max_columns=max_columns)
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile must be above 0 and at most 1, got {quantile!r}")
        for key, number in (("shuffles", shuffles), ("trees", trees)):
            if number < 1:
                raise ValueError(f"{key} must be at least 1, got {number!r}")
        self.quantile = quantile
        self.shuffles = shuffles
        self.trees = trees

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`NullImportance`."""
        actual = self._importance(sample.x, sample.y)
        null = [self._importance(sample.x, shuffled(sample.y, generator)) for _ in range(self.shuffles)]
        limits = np.quantile(null, self.quantile, axis=0)
        return [
            Score(float(value), float(limit), f"importance {value:.4g}, for shuffled targets {limit:.4g}")
            for value, limit in zip(actual, limits, strict=True)
        ]

    def _importance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Variance that splits on each column take away; not as a share, which noise would fill up to 1."""
        from sklearn.ensemble import ExtraTreesRegressor

        forest = ExtraTreesRegressor(self.trees, min_samples_leaf=5, max_features=1 / 3, random_state=0)
        forest.fit(x, y if y.shape[1] > 1 else y[:, 0])
        found = [tree.tree_.compute_feature_importances(normalize=False) for tree in forest.estimators_]
        return np.mean(found, axis=0)

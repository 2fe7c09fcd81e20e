"""Mutual information: how much a column by itself says of the target."""

from __future__ import annotations

import numpy as np
import torch

from colonnade.data.steps.selector import Sample, Score, Selector


class MutualInformation(Selector):
    """Keep columns that share at least ``min_score`` nats with the target.

    scikit-learn's estimates: by nearest neighbours for numbers, by counts for flags and categories (Kraskov et al.,
    "Estimating mutual information", Physical Review E 69, 2004; Ross, "Mutual information between discrete and
    continuous data sets", PLoS ONE 9, 2014). Of several targets the largest counts. A column that says something only
    together with others scores nothing.

    Args:
        min_score: nats; estimates of columns that say nothing scatter around 0.01 on 5000 rows.
        max_columns: columns to keep at most; None: no limit.
        rows: train rows that are looked at.

    Raises:
        ValueError: ``min_score`` below 0, or see :class:`~colonnade.data.steps.selector.Selector`.
    """

    def __init__(self, *, min_score: float = 0.01, max_columns: int | None = None, rows: int = 5000) -> None:
        super().__init__(rows=rows, max_columns=max_columns)
        if not min_score >= 0:
            raise ValueError(f"min_score must be at least 0, got {min_score!r}")
        self.min_score = min_score

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`MutualInformation`."""
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        discrete = np.array([len(np.unique(column)) <= 2 for column in sample.x.T])
        discrete[len(discrete) - sample.categories :] = True
        real = np.issubdtype(sample.target.dtype, np.floating)
        targets = sample.target.reshape(len(sample.target), -1).T
        # Labels are numbers that have two values.
        found = [
            mutual_info_regression(sample.x, y, discrete_features=discrete, random_state=0)
            if real and len(np.unique(y)) > 2
            else mutual_info_classif(sample.x, y.astype(np.int64), discrete_features=discrete, random_state=0)
            for y in targets
        ]
        best = np.max(found, axis=0)
        return [Score(float(v), self.min_score, f"mutual information {v:.4g} nats") for v in best]

"""Permutation importance: how much worse a model predicts held-out train rows when a column is shuffled."""

from __future__ import annotations

import numpy as np
import torch

from colonnade.data.steps.selector import Sample, Score, Selector, halves, shuffled

# Outputs that have a model of their own, those of the largest share.
_OUTPUTS = 8


class PermutationImportance(Selector):
    """Keep columns whose shuffling costs a boosted forest something on train rows that it was not fitted on.

    The score is the squared error (of classes: the Brier score) that shuffling adds, as a share of the variance
    (Breiman, "Random forests", Machine Learning 45, 2001; Fisher, Rudin, Dominici, "All models are wrong, but many are
    useful", JMLR 20, 2019). It has to be above ``min_score`` and above ``certainty`` standard errors over rows. Of two
    columns that say the same either may be dropped, or both score little: put
    :class:`~colonnade.data.steps.duplicates.Duplicates` before it.

    Args:
        min_score: see above.
        certainty: see above.
        repeats: shuffles of each column.
        held_out: share of the rows that the model is not fitted on.
        max_columns: columns to keep at most; None: no limit.
        rows: train rows that are looked at.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        min_score: float = 0.0,
        certainty: float = 2.0,
        repeats: int = 3,
        held_out: float = 0.3,
        max_columns: int | None = None,
        rows: int = 20_000,
    ) -> None:
        super().__init__(rows=rows, max_columns=max_columns)
        for key, number in (("min_score", min_score), ("certainty", certainty)):
            if not number >= 0:
                raise ValueError(f"{key} must be at least 0, got {number!r}")
        if repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {repeats!r}")
        if not 0 < held_out < 1:
            raise ValueError(f"held_out must be above 0 and below 1, got {held_out!r}")
        self.min_score = min_score
        self.certainty = certainty
        self.repeats = repeats
        self.held_out = held_out

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`PermutationImportance`."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        learn, held = halves(len(sample.x), self.held_out, generator)
        y = sample.y[:, np.argsort(-np.square(sample.y).sum(0), kind="stable")[:_OUTPUTS]]
        models = [
            HistGradientBoostingRegressor(random_state=0, early_stopping=False).fit(sample.x[learn], output[learn])
            for output in y.T
        ]

        def error(x: np.ndarray) -> np.ndarray:
            """Squared error of each held-out row."""
            predicted = np.stack([model.predict(x) for model in models], axis=1)
            return np.square(predicted - y[held]).sum(1)

        x = sample.x[held]
        before = error(x)
        scores = []
        for i in range(x.shape[1]):
            worse = np.zeros(len(x))
            for _ in range(self.repeats):
                changed = x.copy()
                changed[:, i] = shuffled(x[:, i], generator)
                worse += (error(changed) - before) / self.repeats
            value, deviation = float(worse.mean()), float(worse.std() / np.sqrt(len(worse)))
            limit = max(self.min_score, self.certainty * deviation)
            scores.append(Score(value, limit, f"shuffled, it adds {value:.4g} to the squared error"))
        return scores

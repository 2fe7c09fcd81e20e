"""Lasso: columns that a sparse linear model keeps."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from colonnade.data.steps.selector import Sample, Score, Selector


class Lasso(Selector):
    """Keep the numbers and flags to which a linear model with an L1 penalty gives a weight.

    The strength of the penalty is the one of the least squared error over ``folds`` folds (Tibshirani, "Regression
    shrinkage and selection via the lasso", JRSS B 58, 1996); with several targets or classes a column has weights for
    all or for none of them (Obozinski, Taskar, Jordan, "Multi-task feature selection", 2006). Classes are learned as
    their indicators. Categories are not looked at, and stay.

    Args:
        folds: of the cross-validation, from 2.
        max_columns: columns to keep at most; None: no limit.
        rows: train rows that are looked at.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, *, folds: int = 5, max_columns: int | None = None, rows: int = 20_000) -> None:
        super().__init__(rows=rows, max_columns=max_columns)
        if folds < 2:
            raise ValueError(f"folds must be at least 2, got {folds!r}")
        self.folds = folds

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`Lasso`."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LassoCV, MultiTaskLassoCV

        cut = len(sample.names) - sample.categories
        x = sample.x[:, :cut] - sample.x[:, :cut].mean(0)
        spread = x.std(0)
        x = x / np.where(spread > 0, spread, 1.0)
        weight = np.zeros(cut)
        if cut:
            several = sample.y.shape[1] > 1
            model = (MultiTaskLassoCV if several else LassoCV)(cv=self.folds, tol=1e-3)
            with warnings.catch_warnings():
                # Strengths that do not settle lie far below the one that is taken.
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(x, sample.y if several else sample.y[:, 0])
            weight = np.sqrt(np.square(np.atleast_2d(model.coef_)).sum(0))
        looked = [Score(float(w), 0.0, f"weight {w:.4g} in a sparse linear model") for w in weight]
        return looked + [Score(0.0, 0.0, None)] * sample.categories

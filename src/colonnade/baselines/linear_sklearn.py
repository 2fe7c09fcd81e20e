"""LinearSklearn: logistic, ridge and quantile regression by scikit-learn's solvers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import Problem, Rows
from colonnade.core.errors import TrainingError
from colonnade.core.spec import BatchSpec


class LinearSklearn(Baseline):
    """A linear model, solved to the optimum: logistic and multinomial regression, ridge, and for quantiles and absolute
    errors linear programming. Categories are one-hot, missing and unknown among the levels.

    ``model=linear`` is the same model, trained by steps of an optimiser.

    Args:
        spec: of the data.
        C: inverse of the L2 penalty, above 0: ``C`` of ``LogisticRegression``, ``1 / alpha`` of ``Ridge``, 1 as there.
            Quantiles are not penalised.
        max_iter: iterations of the logistic solver at the most, from 1.

    Raises:
        ValueError: an argument is out of range.
    """

    kinds = frozenset({"binary", "multiclass", "mse", "mae", "quantile"})

    def __init__(self, *, spec: BatchSpec, C: float = 1.0, max_iter: int = 1000) -> None:
        super().__init__(spec=spec)
        if not C > 0:
            raise ValueError(f"C must be above 0, got {C}")
        if max_iter < 1:
            raise ValueError(f"max_iter must be 1 or more, got {max_iter}")
        self.C = C
        self.max_iter = max_iter
        self._starts = np.concatenate([[0], np.cumsum(spec.cardinalities)]).astype(np.int64)
        self.register_buffer("weight", torch.empty(0))
        self.register_buffer("bias", torch.empty(0))

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class; nothing is chosen by the validation rows."""
        features = self._features(train)
        found = [self._solve(problem, features, train, job) for problem in problems]
        weight, bias = (np.concatenate(parts).astype(np.float32) for parts in zip(*found))
        # Columns first, so that a level is a row to be looked up.
        self.keep(weight=weight.T, bias=bias)
        return Fitted(rounds=1, size=weight.size + bias.size)

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class."""
        weight: Tensor = self.weight  # type: ignore[assignment]
        bias: Tensor = self.bias  # type: ignore[assignment]
        raw = torch.addmm(bias, num, weight[: self.n_num])
        if cat.shape[1]:
            starts = torch.from_numpy(self._starts[:-1]).to(cat.device)
            raw = raw + weight[self.n_num :][cat + starts].sum(1)
        return raw

    def _features(self, rows: Rows) -> Any:
        """Numbers, and categories one-hot, as a sparse matrix where there are any."""
        if not rows.cat.shape[1]:
            return rows.num.astype(np.float64)
        from scipy import sparse

        n, k = rows.cat.shape
        columns = (rows.cat + self._starts[:-1]).ravel()
        one_hot = sparse.csr_matrix(
            (np.ones(n * k), columns, np.arange(0, n * k + 1, k)), shape=(n, int(self._starts[-1]))
        )
        return sparse.hstack([sparse.csr_matrix(rows.num.astype(np.float64)), one_hot], format="csr")

    def _solve(self, problem: Problem, features: Any, rows: Rows, job: Job) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients ``(outputs, columns)`` and intercepts ``(outputs,)``."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge

        match problem.kind:
            case "binary" | "multiclass":
                model = LogisticRegression(C=self.C, max_iter=self.max_iter, random_state=job.seed)
            case "mse":
                model = Ridge(alpha=1 / self.C, random_state=job.seed)
            case _:
                level = problem.parameter if problem.kind == "quantile" else 0.5
                model = QuantileRegressor(quantile=level, alpha=0.0, solver="highs")
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.fit(features, problem.target(rows), sample_weight=problem.weight(rows, train=True))
            except ConvergenceWarning as error:
                raise TrainingError(
                    f"the solver did not converge: give it more than model.max_iter={self.max_iter} iterations, a "
                    f"smaller model.C, or scaled numbers (pipeline=standard): {str(error).splitlines()[0]}"
                ) from error
        coefficients, intercepts = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
        if problem.kind == "multiclass" and len(coefficients) == 1:
            # Of two classes the solver gives the logit of the second.
            coefficients, intercepts = (np.concatenate([-v / 2, v / 2]) for v in (coefficients, intercepts))
        return coefficients, intercepts

"""Stacking: a regularised linear model of what the members predict, fitted by scikit-learn, kept as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.tasks.combine import Stacking, inputs_of

ITERATIONS = 10_000


def fit_stacking(
    predictions: Sequence[Mapping[str, Tensor]],
    truth: Tensor,
    weight: Tensor | None,
    kind: str,
    *,
    classes: Sequence[str] = (),
    regularisation: float = 1.0,
) -> Stacking:
    """Fit on rows that no member learned from.

    Args:
        predictions: of each member, for the same ``N`` rows.
        truth: class indices ``(N,)``, labels ``(N, L)``, or values ``(N, T)``.
        weight: ``(N,)``; None means one.
        kind: of the target.
        classes: names of the classes.
        regularisation: of squared weights, above 0: ``1 / C`` of scikit-learn's logistic regression, ``alpha`` of its
            ridge regression, whose targets and inputs are in units of the targets' deviation.

    Raises:
        ConfigError: the members predict quantiles, or the rows lack a class.
    """
    if kind == TargetKind.EVENT:
        raise ConfigError("method=stacking: type and time of events are not stacked; method=mean")
    if "quantile" in predictions[0]:
        raise ConfigError("method=stacking: quantiles are not stacked; method=greedy or method=mean")
    inputs, target = inputs_of(predictions, kind).numpy(), truth.numpy()
    weights = None if weight is None else weight.numpy()
    if kind == TargetKind.CLASS:
        lacking = [name for i, name in enumerate(classes) if not (target == i).any()]
        if lacking:
            raise ConfigError(f"method=stacking: no validation row is of class {', '.join(lacking)}; method=greedy")
        return _stacking(kind, [_logistic(inputs.reshape(len(target), -1), target, weights, regularisation)])
    fitted = []
    for t in range(target.shape[1]):
        if kind == TargetKind.REAL:
            fitted.append(_ridge(inputs[:, :, t], target[:, t], weights, regularisation))
        elif target[:, t].min() == target[:, t].max():
            raise ConfigError("method=stacking: a label is the same in all validation rows; method=greedy")
        else:
            fitted.append(_logistic(inputs[:, :, t], target[:, t], weights, regularisation))
    return _stacking(kind, fitted)


def _stacking(kind: str, fitted: Sequence[tuple[np.ndarray, np.ndarray]]) -> Stacking:
    weight, bias = (torch.from_numpy(np.concatenate(part)) for part in zip(*fitted))
    return Stacking(kind, weight, bias)


def _logistic(
    inputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None, regularisation: float
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / regularisation, max_iter=ITERATIONS).fit(inputs, target, weights)
    return model.coef_, model.intercept_


def _ridge(
    inputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None, regularisation: float
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import Ridge

    mean, scale = target.mean(), target.std() or 1.0
    model = Ridge(alpha=regularisation).fit((inputs - mean) / scale, (target - mean) / scale, weights)
    # Back in the units of the target.
    bias = mean + scale * model.intercept_ - model.coef_.sum() * mean
    return model.coef_[None], np.array([bias])

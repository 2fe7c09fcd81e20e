"""Stability: whether validation and test rows are like the train rows, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from colonnade.core.schema import Kind, Schema
from colonnade.data.doubts import dense_ranks

_ROWS = 20_000
"""Rows of a part that are looked at."""
_BINS = 64
_SMOOTHING = 5.0
_LEVELS = 250
"""Levels above which a category is left out where all columns are looked at together."""
_LEAST = 20
"""Rows of a part below which nothing can be told."""
MISSING = -1


@dataclass(frozen=True)
class Stability:
    """How one part differs from the train rows.

    Args:
        auc: by column, of telling its rows from train rows by the column alone; 0.5: they cannot be told. NaN where
            there are too few rows.
        together: the same by all columns, but categories of more than 250 levels.
        error: standard error of an AUC of rows that cannot be told.
        missing: share of missing values by column.
        unseen: share of rows with a level that no train row has, by category.
    """

    auc: dict[str, float]
    together: float
    error: float
    missing: dict[str, float]
    unseen: dict[str, float]


def stability(
    frame: pl.DataFrame, schema: Schema, rows: Mapping[str, np.ndarray], *, seed: int = 0
) -> dict[str, Stability]:
    """Compare each part with the train rows: adversarial validation, column by column and of all together.

    Half of the rows give the share of the part in each level, or in each of 64 ranges of a number; the other half is
    ranked by it, and the reverse. The AUC is the mean of both, so that chance gives 0.5 and not more.

    Args:
        frame: typed by the schema.
        schema: its features are compared.
        rows: positions of the rows of each part, ``"train"`` among them.
        seed: of the sample and the halves.

    Returns:
        For each part, train rows included (of which only ``missing`` says something).
    """
    rng = np.random.default_rng(seed)
    train = _some(rows["train"], rng)
    features = schema.features
    found: dict[str, Stability] = {}
    for part, index in rows.items():
        other = _some(index, rng)
        missing = {name: _share(frame[name][index].is_null()) for name in features}
        if part == "train" or min(len(other), len(train)) < _LEAST:
            nothing = dict.fromkeys(features, float("nan"))
            found[part] = Stability(nothing, float("nan"), float("nan"), missing, {})
            continue
        both = np.concatenate([train, other])
        label = np.repeat([0, 1], [len(train), len(other)])
        half = rng.permutation(len(both)) % 2
        codes = {name: _codes(frame[name][both], schema.columns[name].kind) for name in features}
        found[part] = Stability(
            auc={name: _auc_alone(code, label, half) for name, code in codes.items()},
            together=_auc_together(
                list(codes.values()), [schema.columns[n].kind.is_category for n in codes], label, half
            ),
            error=float(np.sqrt((len(both) + 1) / (12 * len(train) * len(other)))),
            missing=missing,
            unseen={
                name: _unseen(frame[name], rows["train"], index)
                for name in features
                if schema.columns[name].kind.is_category
            },
        )
    return found


def _some(index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(index, _ROWS, replace=False)) if len(index) > _ROWS else index


def _share(mask: pl.Series) -> float:
    return float(mask.sum()) / max(len(mask), 1)


def _unseen(column: pl.Series, train: np.ndarray, part: np.ndarray) -> float:
    known = column[train].drop_nulls().unique()
    values = column[part]
    return _share(values.is_not_null() & ~values.is_in(known.implode()))


def _codes(column: pl.Series, kind: Kind) -> np.ndarray:
    """Level, or range of a number or time, of each row; -1 where it is missing."""
    missing = column.is_null().to_numpy()
    if kind.is_number or kind is Kind.DATETIME:
        values = column.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
        there = values[~missing]
        edges = np.unique(np.quantile(there, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(there) else there
        code = np.searchsorted(edges, values, side="right")
    else:
        code = dense_ranks(column).astype(np.int64)
    return np.where(missing, MISSING, code)


def _auc_alone(code: np.ndarray, label: np.ndarray, half: np.ndarray) -> float:
    code = code - code.min()
    size, usual = int(code.max()) + 1, float(label.mean())
    score = np.empty(len(code))
    for learn in (0, 1):
        seen, ask = half == learn, half != learn
        count = np.bincount(code[seen], minlength=size)
        hits = np.bincount(code[seen], label[seen], minlength=size)
        score[ask] = ((hits + _SMOOTHING * usual) / (count + _SMOOTHING))[code[ask]]
    return float(np.mean([auc(score[half == side], label[half == side]) for side in (0, 1)]))


def _auc_together(codes: Sequence[np.ndarray], nominal: Sequence[bool], label: np.ndarray, half: np.ndarray) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # The order of many levels could tell the order of the rows.
    used = [i for i, code in enumerate(codes) if not nominal[i] or code.max() < _LEVELS]
    if not used:
        return float("nan")
    x = np.stack([codes[i] for i in used], axis=1)
    found = []
    for learn in (0, 1):
        seen, ask = half == learn, half != learn
        model = HistGradientBoostingClassifier(
            max_iter=50, early_stopping=False, categorical_features=[nominal[i] for i in used], random_state=0
        )
        score = model.fit(x[seen], label[seen]).predict_proba(x[ask])[:, 1]
        found.append(auc(score, label[ask]))
    return float(np.mean(found))


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; NaN where there is one class.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    0.875
    """
    values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (count.cumsum() - (count - 1) / 2)[place]
    positive = int(label.sum())
    negative = len(label) - positive
    if not positive or not negative or not len(values):
        return float("nan")
    return float((rank[label == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))

"""Explanation: what is said of a model, as a table and as plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from colonnade.explain.deletion import Deletion
from colonnade.explain.dependence import Curve
from colonnade.explain.importance import Importance
from colonnade.explain.over_time import OverTime

# Columns of the table that are not contributions; also what stands before a raw column of such a name.
RESERVED = re.compile(r"(row_id|split|target|score|base)$|column/")
EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Interaction:
    """What two columns do together beyond what they do alone: mean magnitude over rows, with a bootstrap interval."""

    columns: tuple[str, str]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class View:
    """What is said of one output, or of the one that each row is explained for.

    Args:
        target: class, label or target; ``predicted class`` where it differs from row to row.
        outputs: ``(N,)`` output of each row.
        values: ``(N, columns)`` contributions.
        base: ``(N,)``; None where contributions do not add up to scores.
        score: ``(N,)``.
        importance: of the columns.
        deletion: see :class:`~colonnade.explain.deletion.Deletion`.
        interactions: the strongest first.
        over_time: of series, contributions of the steps; ``values`` are their sums.
    """

    target: str
    outputs: tuple[str, ...]
    values: np.ndarray
    base: np.ndarray | None
    score: np.ndarray
    importance: Importance
    deletion: Deletion
    interactions: list[Interaction]
    over_time: OverTime | None = None

    @property
    def delta(self) -> np.ndarray | None:
        """``(N,)`` score minus base minus the sum of the contributions."""
        return None if self.base is None else self.score - self.base - self.values.sum(1)


@dataclass(frozen=True)
class Explanation:
    """What is said of a model.

    Args:
        method: see :class:`~colonnade.explain.options.Explain`.
        unit: of scores and contributions.
        columns: raw columns, in the order of the contributions.
        outputs: of the model, in the order of the curves.
        views: one for each output, or one of the predicted class.
        curves: of the most important columns.
        n_background: background rows.
        milliseconds: of processor time that the attribution of a row took.
    """

    method: str
    unit: str
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    views: list[View]
    curves: list[Curve]
    n_background: int
    milliseconds: float

    def to_frame(self, row_id: np.ndarray, split: str) -> pl.DataFrame:
        """``row_id``, ``split``, ``target``, ``score``, ``base`` and a column for each raw one; a row for each view.

        A raw column that is called like one of these is ``column/<name>``. Of series, it holds a list of the
        contributions of all steps.

        Args:
            row_id: ``(N,)`` position of each explained row in its source.
            split: which rows these are.
        """
        names = [f"column/{name}" if RESERVED.match(name) else name for name in self.columns]
        frames = []
        for view in self.views:
            base = np.full(len(view.score), np.nan) if view.base is None else view.base
            head = pl.DataFrame(
                {
                    "row_id": np.asarray(row_id, dtype=np.int64),
                    "split": [split] * len(view.score),
                    "target": list(view.outputs),
                    "score": view.score,
                    "base": pl.Series(base).fill_nan(None),
                }
            )
            frames.append(head.hstack(_contributions(view, names)))
        return pl.concat(frames)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data: all but the single rows."""
        return {
            "method": self.method,
            "unit": self.unit,
            "rows": len(self.views[0].score),
            "background": self.n_background,
            "cpu_milliseconds_per_row": round(self.milliseconds, 4),
            "targets": [self._view(view) for view in self.views],
            "dependence": [self._curve(curve) for curve in self.curves],
        }

    def _view(self, view: View) -> dict[str, Any]:
        over_time = view.over_time
        order = np.argsort(-view.importance.mean, kind="stable")
        found, removed = view.importance, view.deletion
        return {
            "target": view.target,
            "importance": [
                {
                    "column": self.columns[i],
                    "mean": float(found.mean[i]),
                    "low": float(found.low[i]),
                    "high": float(found.high[i]),
                }
                for i in order
            ],
            "convergence": None if view.delta is None else convergence(view.delta, view.values),
            "deletion": {
                "ratio": removed.ratio,
                "low": removed.low,
                "high": removed.high,
                "deleted": removed.deleted.tolist(),
                "ordered": removed.ordered.tolist(),
                "random": removed.shuffled.tolist(),
            },
            "interactions": [
                {"columns": list(pair.columns), "mean": pair.mean, "low": pair.low, "high": pair.high}
                for pair in view.interactions
            ],
            "over_time": None
            if over_time is None
            else {
                "axis": over_time.axis,
                "positions": over_time.positions.tolist(),
                "magnitude": dict(zip(self.columns, over_time.magnitude.T.tolist())),
            },
        }

    def _curve(self, curve: Curve) -> dict[str, Any]:
        grid: Sequence[Any] = curve.grid
        if curve.kind == "datetime":
            grid = [(EPOCH + timedelta(microseconds=int(at))).isoformat() for at in curve.grid]
        return {
            "column": curve.column,
            "kind": curve.kind,
            "grid": list(grid),
            "outputs": list(self.outputs),
            "partial": curve.partial.tolist(),
            "ale": None if curve.ale is None else curve.ale.tolist(),
        }


def _contributions(view: View, names: list[str]) -> pl.DataFrame:
    if view.over_time is None:
        return pl.DataFrame(view.values, schema=names, orient="row")
    series = [view.over_time.of(row) for row in range(len(view.score))]
    kind = pl.List(pl.Float64)
    return pl.DataFrame([pl.Series(name, [s[:, i].tolist() for s in series], kind) for i, name in enumerate(names)])


def convergence(delta: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """How far contributions are from adding up: mean and largest magnitude, and the mean as a share of what they sum.

    The share is that of the mean total magnitude of the contributions of a row.
    """
    size = float(np.abs(values).sum(1).mean())
    mean = float(np.abs(delta).mean())
    return {"mean": mean, "max": float(np.abs(delta).max()), "share": mean / size if size else 0.0}

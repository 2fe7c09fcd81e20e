"""Joint: what several runs of a model say together, such as trainings from other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from colonnade.core.errors import ConfigError
from colonnade.explain.importance import LEVEL


@dataclass(frozen=True)
class Joint:
    """Importance of columns in several runs.

    Args:
        target: what is explained.
        unit: of the contributions.
        methods: of the runs.
        runs: their names.
        columns: raw columns, the most important first.
        each: ``(runs, columns)`` mean magnitude in each run; 0 where a run does not have the column.
    """

    target: str
    unit: str
    methods: tuple[str, ...]
    runs: tuple[str, ...]
    columns: tuple[str, ...]
    each: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """``(columns,)`` over the runs."""
        found: np.ndarray = self.each.mean(0)
        return found

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the 95 % interval of the mean, by Student's t over the runs, ``(columns,)`` each; not below 0."""
        from scipy.stats import t

        n = len(self.each)
        half = t.ppf((1 + LEVEL) / 2, n - 1) * self.each.std(0, ddof=1) / np.sqrt(n)
        return (self.mean - half).clip(min=0), self.mean + half

    @property
    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Best and worst rank of each column in any run, from 1, ``(columns,)`` each."""
        rank = (-self.each).argsort(axis=1, kind="stable").argsort(axis=1) + 1
        return rank.min(0), rank.max(0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        low, high = self.interval
        best, worst = self.ranks
        return {
            "target": self.target,
            "unit": self.unit,
            "methods": list(self.methods),
            "runs": list(self.runs),
            "importance": [
                {
                    "column": name,
                    "mean": float(self.mean[i]),
                    "low": float(low[i]),
                    "high": float(high[i]),
                    "best_rank": int(best[i]),
                    "worst_rank": int(worst[i]),
                    "runs": self.each[:, i].tolist(),
                }
                for i, name in enumerate(self.columns)
            ],
        }


def join(told: Mapping[str, Mapping[str, Any]]) -> list[Joint]:
    """Runs as one, for each of their targets.

    Args:
        told: of each run, by its name, what :meth:`~colonnade.explain.explanation.Explanation.to_dict` gives.

    Raises:
        ConfigError: there is one run, or they explain other targets, or in other units.
    """
    names = tuple(told)
    if len(names) < 2:
        raise ConfigError(f"'{names[0]}' is one model: an interval over runs needs two at least")
    first = told[names[0]]
    for name in names[1:]:
        for what, one, other in (
            ("unit", first["unit"], told[name]["unit"]),
            ("targets", _targets(first), _targets(told[name])),
        ):
            if one != other:
                raise ConfigError(f"'{names[0]}' and '{name}' do not go together: {what} {one}, and {other}")
    methods = tuple(dict.fromkeys(each["method"] for each in told.values()))
    found = []
    for i, target in enumerate(_targets(first)):
        sizes = [
            {entry["column"]: entry["mean"] for entry in each["targets"][i]["importance"]} for each in told.values()
        ]
        columns = list(dict.fromkeys(column for size in sizes for column in size))
        each = np.array([[size.get(column, 0.0) for column in columns] for size in sizes])
        order = np.argsort(-each.mean(0), kind="stable")
        ranked = tuple(columns[k] for k in order)
        found.append(Joint(target, first["unit"], methods, names, ranked, each[:, order]))
    return found


def _targets(told: Mapping[str, Any]) -> Sequence[str]:
    return [target["target"] for target in told["targets"]]

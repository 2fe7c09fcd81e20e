"""Trials: what the figures of a study are drawn from."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style
from colonnade.report.wording import brief
from colonnade.tuning.scales import scales_of

if TYPE_CHECKING:
    from optuna.study import Study

# The most important ones are drawn.
MAX_PARAMETERS = 9
# A value that is worse than most by more than this many interquartile ranges is drawn at the edge.
FENCE = 4.0
BEST = 0.1
LONGEST = 22


class Trials:
    """The finished trials of a study.

    Args:
        study: the study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        every = study.get_trials(deepcopy=False)
        self.done = [t for t in every if t.state.name == "COMPLETE" and np.isfinite(t.values).all()]
        self.ended = {name: [t.number for t in every if t.state.name == name] for name in ("PRUNED", "FAIL")}
        self.numbers = np.array([t.number for t in self.done])
        self.values = np.array([t.values for t in self.done], dtype=float).reshape(-1, len(study.directions))
        self.feasible = np.array([all(v <= 0 for v in t.constraints.values()) for t in self.done], dtype=bool)
        # Small is good in what these give.
        self.signs = np.array([-1.0 if d.name == "MAXIMIZE" else 1.0 for d in study.directions])
        several = len(study.directions) > 1
        unnamed = [f"objective {i}" if several else "objective" for i in range(len(study.directions))]
        self.names = list(study.metric_names or unnamed)
        self.importances = [self._importances(i) for i in range(len(self.names))] if self.done else []
        scales = {scale.name: scale for scale in scales_of(self.done)}
        mean = {key: np.mean([found.get(key, 0.0) for found in self.importances]) for key in scales}
        kept = sorted(scales, key=lambda key: -mean[key])[:MAX_PARAMETERS]
        self.scales = [scale for key, scale in scales.items() if key in kept]
        self.brief = {key: style.shorten(name, LONGEST) for key, name in brief(list(scales)).items()}

    def shown(self, objective: int) -> np.ndarray:
        """Values of an objective, far bad ones moved to where the others end."""
        sign, values = self.signs[objective], self.values[:, objective]
        low, high = np.quantile(sign * values, [0.25, 0.75])
        return sign * np.minimum(sign * values, high + FENCE * (high - low)) if high > low else values

    def front(self) -> np.ndarray:
        """Which trials are best: of one objective the best tenth, of several those that none beats in all."""
        costs = np.where(self.feasible[:, None], self.values * self.signs, np.inf)
        if len(self.names) == 1:
            n = max(1, round(BEST * len(costs)))
            return (costs[:, 0] <= np.sort(costs[:, 0])[n - 1]) & self.feasible
        beaten = [((costs <= cost).all(1) & (costs < cost).any(1)).any() for cost in costs]
        return ~np.array(beaten) & self.feasible

    def _importances(self, objective: int) -> dict[str, float]:
        """Importance of each parameter, by PED-ANOVA (Watanabe et al. 2023); nothing where it cannot be told."""
        from optuna.importance import get_param_importances

        values = self.values[:, objective]
        if len(values) < 2 or np.ptp(values) == 0:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = get_param_importances(self.study, target=lambda trial: trial.values[objective])
            # Too few trials for its estimate, or no parameter that all trials have.
            except (ValueError, RuntimeError, ZeroDivisionError):
                return {}
        return found if np.isfinite(list(found.values())).all() and any(found.values()) else {}

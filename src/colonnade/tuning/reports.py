"""Reports: the epochs of trials, read from their run folders and told to the study, which may give a trial up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.runs.folder import METRICS
from colonnade.runs.illustrate import epochs

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class Reports:
    """What was told of the running trials of a study.

    Args:
        study: with its pruner.
        metric: what is compared, such as ``val/rmse``.
    """

    def __init__(self, study: Study, metric: str) -> None:
        self._study = study
        self._metric = metric
        self._told: dict[int, int] = {}
        self._sizes: dict[int, int] = {}

    def behind(self, trial: FrozenTrial, folder: Path, *, ended: bool = False) -> bool:
        """Tell the epochs that are new, and say whether the trial has fallen behind with one of them.

        Args:
            trial: the trial.
            folder: its run folder.
            ended: tell them all, whatever the pruner says: later trials are compared with them.
        """
        path = folder / METRICS
        size = path.stat().st_size if path.exists() else 0
        if self._sizes.get(trial.number, 0) == size:
            return False
        import optuna

        self._sizes[trial.number] = size
        # Of a trial that was begun by somebody else, its study knows more than we do.
        told = self._told.setdefault(trial.number, max(trial.intermediate_values, default=0))
        reporter = optuna.trial.Trial(self._study, trial._trial_id)
        for step, line in enumerate(epochs(path)[told:], told + 1):
            self._told[trial.number] = step
            value = line.get(self._metric)
            if value is None or not math.isfinite(value):
                continue
            reporter.report(value, step=step)
            # Asked for each epoch: pruners keep what they have seen.
            if reporter.should_prune() and not ended:
                return True
        return False

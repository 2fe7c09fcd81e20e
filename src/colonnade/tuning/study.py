"""Study: the trials of one search space, kept by Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import ConfigError, Faults
from colonnade.report.leaderboard import Row
from colonnade.runs.folder import METRICS, PRUNE
from colonnade.runs.illustrate import epochs
from colonnade.tuning.claims import Claims
from colonnade.tuning.kept import check_kept
from colonnade.tuning.plan import Cell
from colonnade.tuning.queue import Results, row, untimed
from colonnade.tuning.reports import Reports
from colonnade.tuning.samplers import pruner, sampler
from colonnade.tuning.settings import Constraint, Objective, Tune, value_of
from colonnade.tuning.warm import FOLDER, KNOWN, default_point, fitting, typed_point

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

LATENCY = "latency"
# User attributes of trials beside those that the budget counts.
RETRY = "retry_of"
ABANDONED = "abandoned"
UNCOUNTED = {RETRY, KNOWN, ABANDONED}


class Study:
    """The trials of one cell.

    Not locked: whoever makes one, asks or tells holds the lock of the claims.

    Args:
        name: of the study in its storage.
        cell: outer choices, and the space.
        folder: of the search; a trial lies at ``<cell>/trial-0000`` below it.
        claims: shared with other workers.
        tune: the settings.
        storage: where the trials are kept.
        objectives: what is optimised.
    """

    def __init__(
        self,
        name: str,
        cell: Cell,
        folder: Path,
        claims: Claims,
        tune: Tune,
        storage: BaseStorage,
        objectives: Sequence[Objective],
    ) -> None:
        import optuna

        self.cell = cell
        self.objectives = list(objectives)
        self._constraints = [Constraint.parse(text) for text in tune.constraints]
        self.timed = LATENCY in {*(goal.name for goal in objectives), *(bound.name for bound in self._constraints)}
        self._folder = folder
        self._claims = claims
        self._tune = tune
        self._distributions = {key: found.distribution for key, found in cell.space.items()}
        self._results = Results()
        self._rows: dict[int, Row] = {}
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["maximize" if goal.mode == "max" else "minimize" for goal in objectives],
            sampler=sampler(tune, 0),
            pruner=pruner(tune, int(cell.cfg.trainer.get("max_epochs") or 1)),
            load_if_exists=True,
        )
        self._reports = Reports(self.study, self.objectives[0].name)

    def check(self, faults: Faults) -> None:
        """Add what of a study that was begun before does not go with this search."""
        check_kept(self.study, self.cell, self.objectives, self._constraints, self._folder / self.cell.key, faults)

    def enqueue(self, known: Sequence[FrozenTrial] = ()) -> None:
        """Put in what is known, unless it is there already, and again what failed, where that is asked for.

        Args:
            known: trials of an earlier search.

        Raises:
            ConfigError: points lie outside of the space.
        """
        faults = Faults()
        points = [typed_point(self.cell, point, faults) for point in self._tune.points]
        faults.raise_if_any(ConfigError)
        trials = self.trials()
        if not trials and self._tune.defaults_first:
            self.study.enqueue_trial(default_point(self.cell))
        for point in points:
            self.study.enqueue_trial(point, skip_if_exists=True)
        there = {trial.user_attrs.get(KNOWN) for trial in trials}
        new = [trial for trial in known if trial.user_attrs[KNOWN] not in there]
        for trial in fitting(new, self.cell, self.objectives, self._constraints):
            self.study.add_trial(trial)
        again = {trial.user_attrs.get(RETRY) for trial in trials if ABANDONED not in trial.user_attrs}
        for trial in trials if self._tune.retry_failed else ():
            if trial.state.name == "FAIL" and trial.number not in again and ABANDONED not in trial.user_attrs:
                self.study.enqueue_trial(trial.params, user_attrs={RETRY: trial.number})

    def resumable(self) -> int | None:
        """Claim a trial that was begun by a worker that is gone; its number."""
        for trial in self.trials("RUNNING"):
            if not self._claims.take(self.key(trial.number)):
                continue
            if self._result(trial.number) is not None:
                self.tell(trial.number)
            elif trial.params.keys() == self._distributions.keys():
                return trial.number
            else:
                self._abandon(trial)
            self._claims.release(self.key(trial.number))
        return None

    def ask(self) -> int | None:
        """Claim a new trial, if the budget allows one; its number."""
        if not self.affordable():
            return None
        self.study.sampler = sampler(self._tune, len(self.trials()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self.study.ask(self._distributions)
        taken = self._claims.take(self.key(trial.number))
        assert taken, "a new trial has no claim"
        return trial.number

    def affordable(self) -> bool:
        """Whether the budget allows a further trial."""
        trials = self.trials()
        begun = [t for t in trials if t.state.name != "WAITING" and not UNCOUNTED & t.user_attrs.keys()]
        again = any(t.state.name == "WAITING" and RETRY in t.user_attrs for t in trials)
        most = self._tune.max_epochs
        if most is not None and sum(self._epochs(t.number) for t in trials) >= most:
            return False
        return again or len(begun) < self._tune.n_trials

    def open(self) -> bool:
        """Whether a trial is running or to come."""
        return bool(self.trials("RUNNING")) or self.affordable()

    def watch(self, number: int) -> None:
        """Report the epochs of a running trial, and prune it when it falls behind."""
        folder = self.folder(number)
        if self._tune.pruner is None or (folder / PRUNE).exists():
            return
        import optuna

        # Finished: by whoever took the trial over when this machine gave no sign of life.
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            if self._reports.behind(self._frozen(number), folder):
                (folder / PRUNE).touch()

    def tell(self, number: int) -> None:
        """Hand the result of a trial that has ended to the study; one that was cut off stays open."""
        result = self._result(number)
        if result is None or self._frozen(number).state.is_finished():
            return
        import optuna
        from optuna.trial import TrialState

        if self._tune.pruner is not None:
            self._reports.behind(self._frozen(number), self.folder(number), ended=True)
        trial = optuna.trial.Trial(self.study, self._id(number))
        values = [value_of(goal.name, result) for goal in self.objectives]
        trial.set_user_attr(FOLDER, str(self.folder(number).relative_to(self._folder)))
        for bound in self._constraints:
            value = value_of(bound.name, result)
            if value is not None and str(bound) not in trial.constraints:
                trial.set_constraint(str(bound), bound.excess(value))
        if result["status"] == "pruned":
            self.study.tell(number, state=TrialState.PRUNED)
        elif result["status"] == "failed" or self._undefined(result):
            trial.set_user_attr("error", result.get("error") or self._undefined(result))
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, values)  # type: ignore[arg-type]

    def words(self, number: int) -> list[str]:
        """The words that set the parameters of a trial."""
        params = self._frozen(number).params
        return [self.cell.space[key].word(value) for key, value in params.items() if key in self.cell.space]

    def key(self, number: int) -> str:
        """The key of a trial in the search."""
        return f"{self.cell.key}/trial-{number:04d}".lstrip("/")

    def folder(self, number: int) -> Path:
        """The run folder of a trial."""
        return self._folder / self.key(number)

    def trials(self, state: str | None = None) -> list[FrozenTrial]:
        """The trials, those of a state only where one is given."""
        return [t for t in self.study.get_trials(deepcopy=False) if state is None or t.state.name == state]

    def rows(self) -> list[Row]:
        """A row for each trial that is its own: one that is run again, or came from elsewhere, has none."""
        trials = [trial for trial in self.trials() if trial.state.name != "WAITING"]
        again = {trial.user_attrs.get(RETRY) for trial in trials if ABANDONED not in trial.user_attrs}
        shown = [t for t in trials if t.number not in again and not {KNOWN, ABANDONED} & t.user_attrs.keys()]
        return [self._row(trial) for trial in shown]

    def pareto(self) -> list[FrozenTrial]:
        """With several objectives, the trials that keep the constraints and of which no other is better in all."""
        best = self.study.best_trials if len(self.objectives) > 1 else []
        return [trial for trial in best if KNOWN not in trial.user_attrs]

    def feasible(self, result: Mapping[str, Any] | None) -> bool:
        """Whether a result keeps the constraints; one that is not there, or failed, breaks none."""
        if result is None or result["status"] != "finished":
            return True
        values = [(bound, value_of(bound.name, result)) for bound in self._constraints]
        return all(value is not None and bound.excess(value) <= 0 for bound, value in values)

    def _row(self, trial: FrozenTrial) -> Row:
        """Its row; of a trial that has ended made once: a table of thousands is drawn twice a second."""
        number = trial.number
        if number in self._rows:
            return self._rows[number]
        result = self._result(number)
        settings = {**self.cell.outer, **{key: shown(value) for key, value in trial.params.items()}}
        running = trial.state.name == "RUNNING" and self._claims.held(self.key(number))
        judged = self._judged(result)
        entry = row(self.key(number), self.folder(number), settings, running=running, result=judged)
        if not self.feasible(judged):
            entry = replace(entry, status="infeasible")
        if result is not None and trial.state.is_finished():
            self._rows[number] = entry
        return entry

    def _judged(self, result: dict[str, Any] | None) -> dict[str, Any] | None:
        """A result to be ranked by the first objective, where that is a metric; failed where it has no value."""
        if result is None:
            return None
        goal = self.objectives[0]
        about: dict[str, Any] = {"monitor": goal.name, "mode": goal.mode} if goal.name.startswith("val/") else {}
        if result["status"] == "finished" and self._undefined(result):
            about |= {"status": "failed", "error": self._undefined(result)}
        return {**result, **about}

    def _undefined(self, result: Mapping[str, Any]) -> str | None:
        """What of the objectives has no value in a result; None when all have."""
        values = {goal.name: value_of(goal.name, result) for goal in self.objectives}
        missing = [name for name, value in values.items() if value is None or not math.isfinite(value)]
        return f"{', '.join(missing)}: the value of what is optimised is undefined" if missing else None

    def _abandon(self, trial: FrozenTrial) -> None:
        """Close a trial whose worker was killed while its parameters were drawn; a point that was put in is kept."""
        from optuna.trial import TrialState

        self.study._storage.set_trial_user_attr(trial._trial_id, ABANDONED, True)
        self.study.tell(trial.number, state=TrialState.FAIL)
        if "fixed_params" in trial.system_attrs:
            about = {key: value for key, value in trial.user_attrs.items() if key == RETRY}
            self.study.enqueue_trial(trial.system_attrs["fixed_params"], user_attrs=about)

    def _result(self, number: int) -> dict[str, Any] | None:
        """The result of a trial that has ended; one is still to be timed where that is asked for."""
        result = self._results.of(self.folder(number))
        return None if self.timed and untimed(result) else result

    def _epochs(self, number: int) -> int:
        result = self._results.of(self.folder(number))
        return len(epochs(self.folder(number) / METRICS)) if result is None else int(result.get("epochs") or 0)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.trials()[number]

    def _id(self, number: int) -> int:
        return self._frozen(number)._trial_id


def shown(value: Any) -> str:
    """A parameter as a person reads it.

    >>> shown(0.00123456789), shown(3), shown("[8,8]")
    ('0.00123457', '3', '[8,8]')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)

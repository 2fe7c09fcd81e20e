"""Study: the trials of one search space, kept by Optuna."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from colonnade.report.leaderboard import Row
from colonnade.runs.folder import PRUNE
from colonnade.tuning.claims import Claims
from colonnade.tuning.defaults import default_of
from colonnade.tuning.plan import Cell
from colonnade.tuning.queue import result_of, row
from colonnade.tuning.samplers import pruner, sampler
from colonnade.tuning.settings import Constraint, Objective, Tune, value_of

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

METRICS = "metrics.jsonl"
# User attributes of trials beside those that the budget counts.
RETRY = "retry_of"
KNOWN = "known_from"
ABANDONED = "abandoned"
UNCOUNTED = {RETRY, KNOWN, ABANDONED}


class Study:
    """The trials of one cell.

    Not locked: whoever asks or tells holds the lock of the claims.

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
        self._folder = folder
        self._claims = claims
        self._tune = tune
        self._distributions = {key: found.distribution for key, found in cell.space.items()}
        self._reported: dict[int, int] = {}
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["maximize" if goal.mode == "max" else "minimize" for goal in objectives],
            sampler=sampler(tune, 0),
            pruner=pruner(tune, int(cell.cfg.trainer.get("max_epochs") or 1)),
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names([goal.name for goal in objectives])

    def enqueue(self, known: Sequence[FrozenTrial] = ()) -> None:
        """Put in what is known before the first trial, and again what failed, where that is asked for.

        Args:
            known: trials of an earlier study of the same space.
        """
        trials = self.trials()
        if not trials:
            if self._tune.defaults_first:
                self.study.enqueue_trial(self._default_point())
            for point in self._tune.points:
                self.study.enqueue_trial({k: self._given(k, v) for k, v in point.items()}, skip_if_exists=True)
            for trial in known:
                if trial.state.name == "COMPLETE" and trial.distributions.keys() <= self._distributions.keys():
                    trial.set_user_attr(KNOWN, self._tune.warm_start)
                    self.study.add_trial(trial)
        if self._tune.retry_failed:
            again = {trial.user_attrs.get(RETRY) for trial in trials}
            for trial in trials:
                if trial.state.name == "FAIL" and trial.number not in again:
                    self.study.enqueue_trial(trial.params, user_attrs={RETRY: trial.number})

    def resumable(self) -> int | None:
        """Claim a trial that was begun by a worker that is gone; its number."""
        for trial in self.trials("RUNNING"):
            if self._claims.take(self.key(trial.number)):
                if trial.params.keys() != self._distributions.keys():
                    self._abandon(trial)
                    continue
                if result_of(self.folder(trial.number)) is None:
                    self._reported[trial.number] = max(trial.intermediate_values, default=0)
                    return trial.number
                self.tell(trial.number)
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
        if self._tune.pruner is None or (self.folder(number) / PRUNE).exists():
            return
        import optuna

        goal = self.objectives[0]
        trial = optuna.trial.Trial(self.study, self._id(number))
        last = self._reported.get(number, 0)
        for line in lines(self.folder(number) / METRICS)[last:]:
            last += 1
            value = line.get(goal.name)
            if value is None or not math.isfinite(value):
                continue
            trial.report(value, step=last)
            if trial.should_prune():
                (self.folder(number) / PRUNE).touch()
                break
        self._reported[number] = last

    def tell(self, number: int) -> None:
        """Hand the result of a trial that has ended to the study; one that was cut off stays open."""
        result = result_of(self.folder(number))
        if result is None or self._frozen(number).state.is_finished():
            return
        import optuna
        from optuna.trial import TrialState

        trial = optuna.trial.Trial(self.study, self._id(number))
        values = [value_of(goal.name, result) for goal in self.objectives]
        trial.set_user_attr("folder", str(self.folder(number).relative_to(self._folder)))
        for bound in self._constraints:
            value = value_of(bound.name, result)
            if value is not None:
                trial.set_constraint(f"{bound.name}{bound.sign}{bound.bound:g}", bound.excess(value))
        if result["status"] == "pruned":
            self.study.tell(number, state=TrialState.PRUNED)
        elif result["status"] == "failed" or any(v is None or not math.isfinite(v) for v in values):
            trial.set_user_attr("error", result.get("error") or "an objective is undefined")
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
        """A row for each trial that is its own: one that was run again, or came with an earlier study, has none."""
        trials = self.trials()
        again = {trial.user_attrs.get(RETRY) for trial in trials}
        found = []
        for trial in trials:
            if trial.number in again or trial.state.name == "WAITING" or {KNOWN, ABANDONED} & trial.user_attrs.keys():
                continue
            settings = {**self.cell.outer, **{key: shown(value) for key, value in trial.params.items()}}
            result = self._judged(result_of(self.folder(trial.number)))
            entry = row(self.key(trial.number), self.folder(trial.number), settings, running=True, result=result)
            found.append(entry if self.feasible(result) else _infeasible(entry))
        return found

    def pareto(self) -> list[FrozenTrial]:
        """With several objectives, the trials that keep the constraints and of which no other is better in all."""
        return self.study.best_trials if len(self.objectives) > 1 else []

    def _judged(self, result: dict[str, Any] | None) -> dict[str, Any] | None:
        """A result to be ranked by the first objective, where that is a metric."""
        goal = self.objectives[0]
        if result is None or not goal.name.startswith("val/"):
            return result
        return {**result, "monitor": goal.name, "mode": goal.mode}

    def feasible(self, result: Mapping[str, Any] | None) -> bool:
        """Whether a result keeps the constraints; one that is not there, or failed, breaks none."""
        if result is None or result["status"] != "finished":
            return True
        values = [(bound, value_of(bound.name, result)) for bound in self._constraints]
        return all(value is not None and bound.excess(value) <= 0 for bound, value in values)

    def _abandon(self, trial: FrozenTrial) -> None:
        """Close a trial whose worker was killed while its parameters were drawn; a point that was put in is kept."""
        from optuna.trial import TrialState

        self.study._storage.set_trial_user_attr(trial._trial_id, ABANDONED, True)
        self.study.tell(trial.number, state=TrialState.FAIL)
        self._claims.release(self.key(trial.number))
        if "fixed_params" in trial.system_attrs:
            self.study.enqueue_trial(trial.system_attrs["fixed_params"])

    def _epochs(self, number: int) -> int:
        result = result_of(self.folder(number))
        return len(lines(self.folder(number) / METRICS)) if result is None else int(result.get("epochs") or 0)

    def _default_point(self) -> dict[str, Any]:
        """The defaults of the model that lie in the space."""
        points = {key: found.point(default_of(self.cell.cfg, key)) for key, found in self.cell.space.items()}
        return {key: point for key, point in points.items() if point is not None}

    def _given(self, key: str, value: Any) -> Any:
        from colonnade.core.errors import ConfigError, closest

        if key not in self.cell.space:
            raise ConfigError(f"tune.points: '{key}' is not searched{closest(key, self.cell.space)}")
        point = self.cell.space[key].point(value)
        if point is None:
            raise ConfigError(f"tune.points: {key}={value} lies outside of {self.cell.space[key].distribution}")
        return point

    def _frozen(self, number: int) -> FrozenTrial:
        return self.trials()[number]

    def _id(self, number: int) -> int:
        return self._frozen(number)._trial_id


def storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage of the studies of a search.

    Args:
        url: of a database; None: a journal in the folder.
        folder: of the search.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return RDBStorage(url)
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def monitored(cfg: DictConfig) -> Objective:
    """What the task of a configuration monitors; under ``task=auto`` the data are read to tell the task."""
    if cfg.task.get("monitor") is None:
        from colonnade.config.build import build
        from colonnade.runs.assemble import with_task

        cfg = with_task(cfg, build(cfg.data).read())
    return Objective(cfg.task.monitor, cfg.task.mode)


def lines(path: Path) -> list[dict[str, float]]:
    """The whole lines of a file of JSON lines that may be being written."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def shown(value: Any) -> str:
    """A parameter as a person reads it.

    >>> shown(0.00123456789), shown(3), shown("[8,8]")
    ('0.00123457', '3', '[8,8]')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _infeasible(entry: Row) -> Row:
    from dataclasses import replace

    return replace(entry, status="infeasible")

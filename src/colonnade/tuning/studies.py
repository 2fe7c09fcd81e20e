"""Studies: the trials of an adaptive search, a study for each combination of the outer choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from colonnade.config.build import build
from colonnade.config.check import AUTO
from colonnade.core.errors import ColonnadeError, ConfigError, Faults, SearchError
from colonnade.report.leaderboard import Row
from colonnade.tuning.claims import Claims
from colonnade.tuning.job import Job
from colonnade.tuning.plan import Plan
from colonnade.tuning.queue import Queue
from colonnade.tuning.settings import Constraint, Objective, Tune
from colonnade.tuning.study import Study
from colonnade.tuning.warm import earlier

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


class Studies(Queue):
    """The studies of a search, served in turn.

    Args:
        plan: its cells.
        folder: of the search.
        name: that no other search has, in a storage that several may share.
        claims: shared with other workers.
        tune: the settings.
        compose: makes the configuration of a trial of its words.

    Raises:
        SearchError: a study was begun with other settings.
        ConfigError: settings cannot be met; nothing has begun.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        name: str,
        claims: Claims,
        tune: Tune,
        compose: Callable[[Sequence[str]], DictConfig],
    ) -> None:
        from colonnade.tuning.storage import storage

        self._claims = claims
        self._compose = compose
        self._turn = 0
        for cell in plan.cells:
            check_measured(cell.cfg, tune)
        # Data may have to be read for it, while others shall not wait.
        goals = [[Objective.parse(text) for text in tune.objectives] or [monitored(cell.cfg)] for cell in plan.cells]
        faults = Faults()
        with claims.locked():
            kept = storage(tune.storage, folder)
            known = known_trials(tune, folder, kept, [cell.key for cell in plan.cells])
            self.studies = [
                Study(f"{name}/{cell.key}".rstrip("/"), cell, folder, claims, tune, kept, goal)
                for cell, goal in zip(plan.cells, goals)
            ]
            for study in self.studies:
                study.check(faults)
            faults.raise_if_any(SearchError, "search")
            for study in self.studies:
                study.enqueue(known.get(study.cell.key, ()))

    def next(self) -> Job | None:
        """A trial that was cut off, or a new one of the study whose turn it is."""
        for _ in self.studies:
            study = self.studies[self._turn]
            self._turn = (self._turn + 1) % len(self.studies)
            with self._claims.locked():
                number = study.resumable()
                if number is None:
                    number = study.ask()
            if number is not None:
                cfg = self._compose([*study.cell.words, *study.words(number)])
                return Job(
                    key=study.key(number),
                    folder=study.folder(number),
                    config=OmegaConf.to_yaml(cfg),
                    monitor=study.objectives[0].name,
                    latency=study.timed,
                    cwd=str(Path.cwd()),
                )
        return None

    def watch(self, job: Job) -> None:
        """Report its epochs, and prune it when it falls behind."""
        study, number = self._find(job.key)
        study.watch(number)

    def settle(self, job: Job) -> None:
        """Tell the study, and give the trial back."""
        study, number = self._find(job.key)
        with self._claims.locked():
            study.tell(number)
            self._claims.release(job.key)

    def open(self) -> bool:
        """Whether a study has a trial running or to come."""
        return any(study.open() for study in self.studies)

    def rows(self) -> list[Row]:
        """A row for each trial."""
        return [row for study in self.studies for row in study.rows()]

    def _find(self, key: str) -> tuple[Study, int]:
        cell, _, name = key.rpartition("/")
        number = int(name.removeprefix("trial-"))
        return next(study for study in self.studies if study.cell.key == cell), number


def check_measured(cfg: DictConfig, tune: Tune) -> None:
    """Refuse metrics that the task of a configuration does not have; under ``task=auto`` it is not known yet.

    Raises:
        ConfigError: with what the task measures.
    """
    if "_target_" not in cfg.task:
        return
    faults = Faults()
    goals = [Objective.parse(text) for text in tune.objectives]
    wanted = [("tune.objectives", goal.name, goal.mode) for goal in goals]
    for bound in map(Constraint.parse, tune.constraints):
        wanted.append(("tune.constraints", bound.name, "max" if bound.sign == ">=" else "min"))
    for key, name, mode in wanted:
        if name.startswith("val/"):
            try:
                build(cfg.task, monitor=name, mode=mode)
            except ColonnadeError as error:
                faults.add(f"{key}: {error}")
    faults.raise_if_any(ConfigError, "configuration")


def monitored(cfg: DictConfig) -> Objective:
    """What the task of a configuration monitors; under ``task=auto`` the data are read to tell the task."""
    if cfg.task.name == AUTO:
        from colonnade.runs.assemble import with_task

        cfg = with_task(cfg, build(cfg.data).read())
    return Objective(cfg.task.monitor, cfg.task.mode)


def known_trials(tune: Tune, folder: Path, kept: BaseStorage, keys: Sequence[str]) -> Mapping[str, list[FrozenTrial]]:
    """The trials of the search that ``tune.warm_start`` names, by the key of their study.

    Raises:
        ConfigError: it is no search that sampled, has no study of any of these keys, or is this one.
    """
    if tune.warm_start is None:
        return {}
    if Path(tune.warm_start).resolve() == folder.resolve():
        raise ConfigError(f"tune.warm_start: '{tune.warm_start}' is this search, which goes on by itself")
    found = earlier(tune.warm_start, kept)
    if not found.keys() & set(keys):
        has, wants = (", ".join(f"'{key}'" if key else "one without outer choices" for key in k) for k in (found, keys))
        raise ConfigError(f"tune.warm_start: of the studies of '{tune.warm_start}' ({has}) none is here ({wants})")
    return found

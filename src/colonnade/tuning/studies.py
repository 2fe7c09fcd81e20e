"""Studies: the trials of an adaptive search, a study for each combination of the outer choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from colonnade.config.build import build
from colonnade.core.errors import ColonnadeError, ConfigError, Faults
from colonnade.report.leaderboard import Row
from colonnade.tuning.claims import Claims
from colonnade.tuning.job import Job
from colonnade.tuning.plan import Plan
from colonnade.tuning.queue import Queue
from colonnade.tuning.settings import Constraint, Objective, Tune
from colonnade.tuning.study import Study, monitored, storage

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LATENCY = "latency"


class Studies(Queue):
    """The studies of a search, served in turn.

    Args:
        plan: its cells.
        folder: of the search.
        claims: shared with other workers.
        tune: the settings.
        compose: makes the configuration of a trial of its words.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        claims: Claims,
        tune: Tune,
        compose: Callable[[Sequence[str]], DictConfig],
    ) -> None:
        self._claims = claims
        self._compose = compose
        for cell in plan.cells:
            check_measured(cell.cfg, tune)
        kept = storage(tune.storage, folder)
        given = [Objective.parse(text) for text in tune.objectives]
        self._latency = any(LATENCY in text for text in (*tune.objectives, *tune.constraints))
        with claims.locked():
            self.studies = [
                Study(study_name(folder, cell.key), cell, folder, claims, tune, kept, given or [monitored(cell.cfg)])
                for cell in plan.cells
            ]
            for study in self.studies:
                study.enqueue(earlier(tune.warm_start, study.cell.key))
        self._turn = 0

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
                    latency=self._latency,
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


def study_name(folder: Path, key: str) -> str:
    """The name of a study in its storage, which other searches may share."""
    return f"{folder.name}/{key}" if key else folder.name


def earlier(folder: str | None, key: str) -> list[FrozenTrial]:
    """The trials of the study of the same name in an earlier search.

    Raises:
        ConfigError: that folder holds no search.
    """
    if folder is None:
        return []
    import optuna

    path = Path(folder)
    if not (path / "journal.log").exists():
        raise ConfigError(f"tune.warm_start: '{folder}' holds no search (no journal.log)")
    kept = storage(None, path)
    name = study_name(path.resolve(), key)
    known = {summary.study_name for summary in optuna.get_all_study_summaries(kept)}
    return optuna.load_study(study_name=name, storage=kept).get_trials() if name in known else []

"""Settings of a search: the node ``tune:``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SAMPLERS = ("grid", "random", "tpe", "cmaes", "gp", "qmc", "nsga2")
PRUNERS = ("median", "successive_halving", "hyperband", "wilcoxon")


@dataclass(frozen=True, kw_only=True)
class Tune:
    """How the points of a search are chosen, and how many.

    Args:
        sampler: ``grid`` runs every combination of the values typed; the others sample ``search:`` and the intervals
            typed, in one study for each combination of the outer choices (config groups and ``seed``).
        n_trials: wanted in each study, those of other workers and earlier commands included; not for ``grid``.
        timeout: seconds after which this command starts no further job; None: no limit.
        max_epochs: epochs of all trials of a study together, after which no further one starts; None: no limit.
        job_timeout: seconds that one job may take before it is stopped and counted as failed; None: no limit.
        pruner: what stops trials that fall behind: ``median``, ``successive_halving``, ``hyperband`` or ``wilcoxon``.
        warmup_epochs: epochs that a trial may run before it can be pruned.
        objectives: what is optimised, each ``max:`` or ``min:`` and a name: ``val/<metric>``, ``parameters``,
            ``seconds``, ``epochs`` or ``latency`` (milliseconds of the prediction of one row). Empty: the metric that
            the task monitors. Several give the Pareto set.
        constraints: what a trial must satisfy to be called best, such as ``parameters<=100000``.
        defaults_first: whether the first trial of a study is the model's own defaults.
        points: parameters known to be good, tried next.
        warm_start: folder of an earlier search; the trials of its study of the same name are known to this one.
        packed: whether trainings of one model on the same data are trained as packs, as many as there are slots; for
            ``grid``.
        retry_failed: whether jobs that failed before are run again.
        storage: URL of a database for the studies, such as ``sqlite:///study.db`` or ``postgresql+psycopg://...``;
            None: a journal in the folder of the search.
        seed: of the sampler.
        lease: seconds after which a job of another machine that gave no sign of life is taken over.

    Raises:
        ValueError: an argument is out of range, or two do not go together.
    """

    sampler: str = "grid"
    n_trials: int = 50
    timeout: float | None = None
    max_epochs: int | None = None
    job_timeout: float | None = None
    pruner: str | None = None
    warmup_epochs: int = 5
    objectives: Sequence[str] = ()
    constraints: Sequence[str] = ()
    defaults_first: bool = True
    points: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    warm_start: str | None = None
    packed: bool = False
    retry_failed: bool = False
    storage: str | None = None
    seed: int = 0
    lease: float = 60.0

    def __post_init__(self) -> None:
        from colonnade.core.errors import closest

        for key, value, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if value is not None and value not in known:
                raise ValueError(f"{key}={value}: there is no such {key}{closest(value, known)}")
        for key, least in (("n_trials", 1), ("max_epochs", 1), ("warmup_epochs", 0), ("seed", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise ValueError(f"{key} must be at least {least}, got {value}")
        for key in ("timeout", "job_timeout", "lease"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                raise ValueError(f"{key} must be above 0 seconds, got {value}")
        goals = [Objective.parse(text) for text in self.objectives]
        if self.pruner and (len(goals) > 1 or self.sampler == "grid"):
            why = "several objectives have no order" if goals else "a grid runs every cell to its end"
            raise ValueError(f"pruner={self.pruner}: {why}; pruner=null")
        if self.pruner and goals and not goals[0].name.startswith("val/"):
            raise ValueError(f"pruner={self.pruner}: {goals[0].name} is not known before the end; pruner=null")
        if len(goals) > 1 and self.sampler == "cmaes":
            raise ValueError("sampler=cmaes has one objective; sampler=nsga2 or tpe takes several")
        for text in self.constraints:
            Constraint.parse(text)
        if self.packed and self.adaptive:
            raise ValueError(
                f"packed: trials of sampler={self.sampler} depend on each other; packed=false, or tune=grid"
            )
        for key in () if self.adaptive else ("max_epochs", "objectives", "points", "warm_start", "storage"):
            if getattr(self, key):
                raise ValueError(f"{key}: a grid runs every cell and keeps no study; tune=tpe samples")

    @property
    def adaptive(self) -> bool:
        """Whether points are sampled."""
        return self.sampler != "grid"


@dataclass(frozen=True)
class Objective:
    """Something to be made large or small.

    Args:
        name: such as ``val/accuracy``.
        mode: ``max`` or ``min``.
    """

    name: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read ``max:val/accuracy``.

        >>> Objective.parse("min:latency")
        Objective(name='latency', mode='min')
        """
        mode, _, name = str(text).partition(":")
        if mode not in ("min", "max") or not known(name):
            raise ValueError(f"objective '{text}': expected min: or max: and {NAMES}, such as max:val/accuracy")
        return cls(name, mode)


@dataclass(frozen=True)
class Constraint:
    """A bound on what a trial may cost or must reach.

    Args:
        name: as of an objective.
        sign: ``<=`` or ``>=``.
        bound: the bound.
    """

    name: str
    sign: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read ``parameters<=100000``.

        >>> Constraint.parse("val/recall >= 0.8")
        Constraint(name='val/recall', sign='>=', bound=0.8)
        """
        found = re.fullmatch(r"\s*([\w/]+)\s*(<=|>=)\s*([\d.eE+-]+)\s*", str(text))
        if found is None or not known(found[1]):
            raise ValueError(f"constraint '{text}': expected {NAMES}, then <= or >= and a number")
        return cls(found[1], found[2], float(found[3]))

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.bound:.12g}"

    def excess(self, value: float) -> float:
        """How far a value is beyond the bound; at most 0 where the bound is kept."""
        return value - self.bound if self.sign == "<=" else self.bound - value


NAMES = "val/<metric>, parameters, seconds, epochs or latency"


def known(name: str) -> bool:
    """Whether the result of a run has a value of this name."""
    return bool(re.fullmatch(r"val/\w+|parameters|seconds|epochs|latency", name))


def value_of(name: str, result: Mapping[str, Any]) -> float | None:
    """The value of an objective in the content of ``result.json``; None where it is undefined."""
    part, _, metric = name.rpartition("/")
    found = result["metrics"].get(part, {}).get(metric) if part else result.get(name)
    return None if found is None else float(found)

"""Searches without trainings: studies of a small space, and a launcher whose jobs end at once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from colonnade.core.errors import Faults
from colonnade.tuning.claims import Claims, _started, identity
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle, Launcher
from colonnade.tuning.plan import Cell, Plan
from colonnade.tuning.settings import Tune
from colonnade.tuning.space import parse_space
from colonnade.tuning.studies import Studies

SPACE = {"optim.lr": "tag(log, interval(1e-4, 1e-1))", "model.width": "int(interval(4, 64))"}
DEFAULTS = {"optim.lr": 1e-2, "model.width": 16}


def config(*words: str, epochs: int = 9) -> DictConfig:
    """What a search looks at in the configuration of a training."""
    cfg = OmegaConf.create(
        {
            "optim": {"lr": 0.01, "name": "adamw"},
            "model": {"width": 16},
            "task": {"name": "regression", "monitor": "val/rmse", "mode": "min"},
            "trainer": {"max_epochs": epochs},
            "seed": 0,
        }
    )
    return OmegaConf.merge(cfg, OmegaConf.from_dotlist([word.lstrip("+") for word in words]))


def cell(key: str = "", space: dict[str, str] | None = None, cfg: DictConfig | None = None) -> Cell:
    """A cell whose outer choices its key tells."""
    faults = Faults()
    dimensions = parse_space(SPACE if space is None else space, faults)
    assert not len(faults), list(faults)
    outer = dict(part.split("=") for part in key.split(",")) if key else {}
    words = tuple(f"{name}={value}" for name, value in outer.items())
    return Cell(key, outer, words, config() if cfg is None else cfg, dimensions)


def studies(folder: Path, *cells: Cell, claims: Claims | None = None, name: str = "s", **tune: Any) -> Studies:
    """The studies of a search, as a new command finds them."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Tune(**{"sampler": "random", "n_trials": 5, **tune})
    found = cells or (cell(),)
    plan = Plan("plan", tuple(found), tuple(found[0].space), ())
    record = {"study": name, "command": [], "fixed": []}
    (folder / "sweep.json").write_text(json.dumps(record))
    return Studies(plan, folder, name, claims or Claims(folder), settings, lambda words: config(*words))


def another(folder: Path) -> Claims:
    """The claims of another worker, which lives."""
    claims = Claims(folder)
    claims._me = {**identity(), "pid": os.getppid(), "started": _started(os.getppid())}
    return claims


def gone(claims: Claims) -> None:
    """As if the process that took these claims were gone."""
    for path in claims.folder.glob("*.json"):
        holder = {**json.loads(path.read_text()), "started": identity()["started"] - 100}
        path.write_text(json.dumps(holder))


def result(value: float | None = 1.0, **more: Any) -> dict[str, Any]:
    """The content of ``result.json``; a value of None is one that is undefined."""
    return {
        "status": "finished",
        "monitor": "val/rmse",
        "mode": "min",
        "metrics": {"val": {"rmse": value}},
        "seconds": 2.0,
        "epochs": 3,
        "parameters": 10,
        "overrides": [],
        "error": None,
        **more,
    }


def finish(folder: Path, value: float | None = 1.0, **more: Any) -> None:
    """Leave the result of a training."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result(value, **more)))


def fail(folder: Path, error: str = "TrainingError: no") -> None:
    """Leave that a training failed."""
    finish(folder, None, status="failed", error=error, metrics={})


def epochs(folder: Path, *values: float | None) -> None:
    """Add lines to the metrics of a training."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        for value in values:
            line = {"epoch": 0} if value is None else {"epoch": 0, "val/rmse": value}
            file.write(json.dumps(line) + "\n")


def run_all(queue: Any, train: Callable[[Job], None], most: int = 1000) -> list[Job]:
    """Run the jobs of a queue one after the other, each trained by a function."""
    done = []
    while len(done) < most and (job := queue.next()) is not None:
        train(job)
        queue.settle(job)
        done.append(job)
    return done


def lr(job: Job) -> float:
    """The learning rate of a job."""
    return float(OmegaConf.create(job.config).optim.lr)


class Ended(Handle):
    """A job that has ended, or ends when it is told to.

    Args:
        code: its exit status; None while it runs.
        stops: the exit status when it is asked to stop; None: it does not listen.
    """

    def __init__(self, code: int | None, stops: int | None = 143) -> None:
        self.code, self.stops = code, stops
        self.asked: list[str] = []

    def poll(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.asked.append("stop")
        if self.code is None:
            self.code = self.stops

    def kill(self) -> None:
        self.asked.append("kill")
        if self.code is None:
            self.code = -9


class Fake(Launcher):
    """Jobs that a function trains when they are started.

    Args:
        train: gives the exit status, or a handle of its own.
        slots: jobs at once.
    """

    def __init__(self, train: Callable[[Job], int | Handle | None], slots: int = 1) -> None:
        self.train = train
        self.started: list[Job] = []
        self.handles: list[Handle] = []
        self._slots = slots

    @property
    def slots(self) -> int:
        return self._slots

    def start(self, job: Job) -> Handle:
        self.started.append(job)
        found = self.train(job)
        handle = found if isinstance(found, Handle) else Ended(found)
        self.handles.append(handle)
        return handle

    def wait(self, seconds: float) -> None:
        time.sleep(0.001)

    def close(self) -> None:
        for handle in self.handles:
            if handle.poll() is None:
                handle.stop()


def statuses(rows: Sequence[Any]) -> dict[str, str]:
    """The status of each row."""
    return {row.key: row.status for row in rows}

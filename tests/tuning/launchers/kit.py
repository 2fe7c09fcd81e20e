"""Jobs for a launcher, and what can be seen of them from outside."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
from omegaconf import OmegaConf

from colonnade.config.compose import compose
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle

SETTINGS = (
    "data=breast_cancer",
    "model=linear",
    "logger=none",
    "callbacks=minimal",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "threads=1",
)
LIMIT = 120.0


def job_in(folder: Path, *words: str, epochs: int = 1) -> Job:
    """A job of a search in the parent of its folder."""
    cfg = compose([*SETTINGS, f"trainer.max_epochs={epochs}", *words])
    return Job(key=folder.name, folder=folder, config=OmegaConf.to_yaml(cfg), cwd=str(folder.parent))


def bad_job_in(folder: Path) -> Job:
    """A job whose data do not exist."""
    return job_in(folder, "data=table", "data.path=missing.csv", "data.target=y", "task=binary")


def ended(*handles: Handle) -> list[int]:
    """Exit statuses, when all jobs have ended."""
    end = time.monotonic() + LIMIT
    while any(handle.poll() is None for handle in handles):
        assert time.monotonic() < end, "a job does not end"
        time.sleep(0.05)
    codes = [handle.poll() for handle in handles]
    return [code for code in codes if code is not None]


def begun(*jobs: Job) -> None:
    """Wait until jobs train, and have something to lose."""
    end = time.monotonic() + LIMIT
    for job in jobs:
        while not list((job.folder / "checkpoints").glob("recovery*")):
            assert time.monotonic() < end, log(job)
            time.sleep(0.05)


def result(job: Job) -> dict[str, Any]:
    """What is left of a job."""
    return json.loads((job.folder / "result.json").read_text())


def log(job: Job) -> str:
    """What a job has printed."""
    path = job.folder / "train.log"
    return path.read_text() if path.exists() else "no log"


def processes(job: Job) -> list[psutil.Process]:
    """Those that hold the log of a job open."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(file.path == str(job.folder / "train.log") for file in process.open_files()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def gone(job: Job) -> None:
    """Wait until a job has no process left."""
    end = time.monotonic() + 20
    while processes(job):
        assert time.monotonic() < end, processes(job)
        time.sleep(0.05)

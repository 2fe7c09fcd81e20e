"""Queue: the jobs of a search, handed out one at a time to whoever asks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from colonnade.report.leaderboard import Row
from colonnade.runs.folder import RESULT
from colonnade.tuning.job import Job

LOG = "train.log"
ENDED = ("finished", "failed", "pruned")


class Queue(ABC):
    """Jobs to do, shared with the workers of other commands and machines."""

    @abstractmethod
    def next(self) -> Job | None:
        """Claim a job; None when there is none to do at present."""

    @abstractmethod
    def watch(self, job: Job) -> None:
        """Look after a running job of ours: report how far it is, prune it."""

    @abstractmethod
    def settle(self, job: Job) -> None:
        """Take note that a job of ours has ended, and give it back; one that was cut off can be claimed again."""

    @abstractmethod
    def open(self) -> bool:
        """Whether anything is left to do or is being done, by anyone."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """All that is known, for the table."""


def result_of(folder: Path) -> dict[str, Any] | None:
    """The content of ``result.json`` of a job that has ended; None before."""
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return result if isinstance(result, dict) and result.get("status") in ENDED else None


def row(key: str, folder: Path, settings: dict[str, str], *, running: bool, result: dict[str, Any] | None) -> Row:
    """One line of the table."""
    status = result["status"] if result else "running" if running else "waiting"
    log = folder / LOG
    return Row(
        key=key,
        folder=shown(folder),
        status=status,
        settings=settings,
        result=result,
        log=shown(log) if status == "failed" and log.exists() else None,
    )


def shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

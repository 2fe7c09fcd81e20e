"""Queue: the jobs of a search, handed out one at a time to whoever asks."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.report.leaderboard import Row
from colonnade.runs.folder import LOG, RESULT
from colonnade.tuning.job import Job

SWEEP = "sweep.json"
"""What a search is, in its folder."""
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
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    # It is written at once or not at all; a machine that went down may still have left a part.
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return result if isinstance(result, dict) and result.get("status") in ENDED else None


def ended(job: Job) -> bool:
    """Whether a job has left all that was asked of it."""
    result = result_of(job.folder)
    return result is not None and not (job.latency and untimed(result))


def untimed(result: Mapping[str, Any] | None) -> bool:
    """Whether a training has finished whose latency was not measured: it was killed just before."""
    return result is not None and result["status"] == "finished" and "latency" not in result


class Results:
    """The results of many jobs, each read again only when its file is another one."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int], dict[str, Any] | None]] = {}
        self._paths: dict[Path, str] = {}

    def of(self, folder: Path) -> dict[str, Any] | None:
        """The result of the job in a folder, as :func:`result_of` gives it."""
        mark = self.mark(folder)
        if mark is None:
            return None
        known = self._read.get(folder)
        if known is None or known[0] != mark:
            known = self._read[folder] = (mark, result_of(folder))
        return known[1]

    def mark(self, folder: Path) -> tuple[int, int] | None:
        """What tells one file of a result from the next in its place; None where there is none."""
        if folder not in self._paths:
            self._paths[folder] = str(folder / RESULT)
        try:
            found = os.stat(self._paths[folder])
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino


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

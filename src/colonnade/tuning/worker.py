"""Worker: keeps the slots of a launcher busy with the jobs of a queue."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from colonnade.core.files import write_json
from colonnade.runs.folder import LOG, RESULT
from colonnade.tuning.claims import Claims
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle, Launcher
from colonnade.tuning.queue import Queue, ended, result_of
from colonnade.tuning.settings import Tune

log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between looks at our own jobs, whose end is told at once where the launcher can."""
LOOK = 1.0
"""Seconds between looks at what others do."""
GRACE = 60.0
STOPPED = 143


@dataclass
class Running:
    """A job of ours.

    Args:
        job: the job.
        handle: as its launcher gave it.
        begun: when.
        told: when it was told to stop, because it takes too long.
    """

    job: Job
    handle: Handle
    begun: float
    told: float | None = None


def work(
    queue: Queue, launcher: Launcher, claims: Claims, tune: Tune, update: Callable[[Sequence[Running]], None]
) -> None:
    """Run jobs until the queue has none and nobody else runs one, or the time is up.

    Args:
        queue: of the search.
        launcher: runs jobs.
        claims: renewed meanwhile.
        tune: the settings, for the limits of time.
        update: called often, with the jobs that run.
    """
    start = time.monotonic()
    running: list[Running] = []
    looked = -LOOK
    try:
        while True:
            claims.renew()
            for one in list(running):
                code = one.handle.poll()
                if code is None and all(claims.mine(job.key) for job in one.job.members):
                    queue.watch(one.job)
                    _limit(one, tune.job_timeout)
                    continue
                if code is None:
                    # Taken over while this machine gave no sign of life.
                    log.warning("'%s' is trained by another worker now", one.job.key)
                    one.handle.kill()
                else:
                    with claims.locked():
                        claims.renew(now=True)
                        for member in one.job.members:
                            if claims.mine(member.key):
                                _conclude(member, one, code, tune.job_timeout)
                    queue.settle(one.job)
                running.remove(one)
                looked = -LOOK
            now = time.monotonic()
            late = tune.timeout is not None and now - start >= tune.timeout
            while not late and len(running) < launcher.slots and (now - looked >= LOOK or looked < 0):
                job = queue.next()
                if job is None:
                    looked = now
                    break
                running.append(Running(job, launcher.start(job), time.monotonic()))
            if not running and (late or not queue.open()):
                return
            update(running)
            launcher.wait(POLL if running else LOOK / 4)
    finally:
        launcher.close()
        for one in running:
            queue.settle(one.job)


def _limit(one: Running, seconds: float | None) -> None:
    """Stop a job that takes too long, and end it when it does not stop."""
    now = time.monotonic()
    if seconds is not None and one.told is None and now - one.begun > seconds:
        one.told = now
        one.handle.stop()
    elif one.told is not None and now - one.told > GRACE:
        one.handle.kill()


def _conclude(job: Job, one: Running, code: int, seconds: float | None) -> None:
    """Write the result of a training that left none when its job ended."""
    if ended(job):
        return
    if one.told is not None:
        error = f"took longer than tune.job_timeout={seconds} seconds"
    elif code in (STOPPED, -signal.SIGTERM):
        log.warning("'%s' was stopped, or its folder is in use (see its %s): it is run again", job.key, LOG)
        return
    elif code < 0:
        error = f"killed by signal {-code}"
        if code == -signal.SIGKILL:
            error += "; on a full machine the system kills what takes the most memory"
    else:
        error = f"ended with status {code}: {_last_line(one.job.folder / LOG)}"
    job.folder.mkdir(parents=True, exist_ok=True)
    # It may have finished, and died while it was timed.
    known = result_of(job.folder) or {
        **dict.fromkeys(("task", "monitor", "mode", "seconds", "epochs", "parameters", "checkpoint")),
        "metrics": {},
        "overrides": [],
    }
    told = {"status": "failed", "error": f"TrainingError: {error}; see {LOG}"}
    write_json(job.folder / RESULT, {**known, **told})


def _last_line(path: Path) -> str:
    """The last thing that a job said."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message")

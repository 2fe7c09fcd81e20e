"""Remote: what runs beside a job on another machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings

from colonnade.tuning.job import Job
from colonnade.tuning.launchers.local import PRELOAD, Forked, terminated

POLL = 0.05
STOPPED = 128 + signal.SIGTERM
# The exit status where there is none.
LOST = 1


class Slot:
    """An actor of Ray: runs jobs one after another, each in a process forked from one that has imported everything.

    The process leads a group of its own. It saves its state and ends when the actor is gone, however that went.
    """

    def __init__(self) -> None:
        # Every forked process would begin by running the main file of Ray's worker.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])
        self._lock = threading.Lock()
        self._running: tuple[str, Forked] | None = None
        self._told: set[str] = set()

    def ready(self) -> None:
        """Come back when the actor runs."""

    def run(self, job: Job) -> int:
        """Run a job to its end.

        Returns:
            Its exit status.
        """
        with self._lock:
            if job.key in self._told:
                self._told.discard(job.key)
                return STOPPED
            process = Forked(self._context, job)
            self._running = job.key, process
        while (code := process.poll()) is None:
            time.sleep(POLL)
        with self._lock:
            self._running = None
            self._told.discard(job.key)
        return code

    def stop(self, key: str) -> None:
        """Ask a job to save its state and end, also one that is about to begin."""
        with self._lock:
            self._told.add(key)
            if self._running is not None and self._running[0] == key:
                self._running[1].stop()

    def kill(self) -> None:
        """End the job that runs, with all its processes."""
        with self._lock:
            if self._running is not None:
                self._running[1].kill()


def submitted(job: Job) -> int:
    """Run a job in this process, which submitit has started.

    Returns:
        The exit status.
    """
    from submitit import JobEnvironment

    # Its configuration may hold secrets: they lie on the disk for as long as the job waits.
    JobEnvironment().paths.submitted_pickle.unlink(missing_ok=True)
    # submitit ignores SIGTERM; near the limit of time it sends SIGUSR2 to processes of this machine.
    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGUSR2, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    # Lightning would take this one process for one of several that Slurm started.
    os.environ["SLURM_JOB_NAME"] = "interactive"
    warnings.filterwarnings("ignore", message="The .srun. command is available")
    logging.getLogger("submitit").setLevel(logging.ERROR)
    try:
        from colonnade.tuning.launchers.child import run

        return run(job)
    except SystemExit:
        return STOPPED

"""Submission: a job that submitit has taken, in the queue of Slurm or in a process of this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from colonnade.runs.folder import LOG
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle
from colonnade.tuning.launchers.remote import LOST, STOPPED

# Seconds between looks for an exit status, between questions to Slurm, and between requests to stop: one is lost while
# a job is about to begin.
LOOK = 0.25
ASK = 10.0
REPEAT = 10.0
# Seconds until another machine sees a new file on a shared disk.
VISIBLE = 60.0
# What a job that died left behind, in characters at most.
TAIL = 4000
KILLED = -signal.SIGKILL
# States of Slurm in which a job will run on or begin.
LIVING = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"),
    *("RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
}
# Those of a job that did nothing wrong; it goes on from its last saved state.
RESUMABLE = ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL")
# Those in which the exit status may be on its way.
COMPLETED, GONE = "COMPLETED", "GONE"
# Of a job in which this command itself may run.
OUTER = ("SLURM_", "SLURMD_", "SRUN_")


class Submission(Handle):
    """A job that submitit has taken.

    Args:
        job: the job.
        submission: what submitit gave for it.
    """

    def __init__(self, job: Job, submission: Any) -> None:
        self._job = job
        self._submission = submission
        self._code: int | None = None
        self._looked = 0.0
        self._told: float | None = None

    def poll(self) -> int | None:
        """Its exit status, looked for a few times in a second."""
        now = time.monotonic()
        if self._code is not None or now - self._looked < LOOK:
            return self._code
        self._looked = now
        if self._told is not None and now - self._told > REPEAT:
            self._told = now
            self._ask_to_stop()
        code = self._look()
        if code is not None:
            self._conclude(code)
        return self._code

    def stop(self) -> None:
        """Send SIGTERM; one that waits is taken out of the queue."""
        if self._code is None and self._told is None:
            self._told = time.monotonic()
            self._ask_to_stop()

    def kill(self) -> None:
        """Send SIGKILL to all of its processes."""
        if self._code is None:
            self._end()
            self._conclude(KILLED)

    @abstractmethod
    def _look(self) -> int | None:
        """The exit status; None while the job waits or runs."""

    @abstractmethod
    def _ask_to_stop(self) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...

    def _returned(self) -> int | None:
        """The exit status that the job left; None when there is none."""
        paths = self._submission.paths
        with suppress(OSError):
            # Else a network disk may hide a new file for a minute.
            paths.folder.chmod(0o700)
        if not paths.result_pickle.exists():
            return None
        try:
            return int(self._submission.result())
        except RuntimeError as error:
            self._note(str(error))
            return LOST

    def _died(self) -> int:
        """The exit status of a job that left none."""
        if self._told is not None:
            # Before there was anything to save.
            return STOPPED
        with suppress(OSError):
            self._note(self._submission.paths.stdout.read_text(encoding="utf-8", errors="replace"))
        return LOST

    def _note(self, text: str) -> None:
        """Keep what submitit and Slurm have to say of a job that failed outside of our own code."""
        self._job.folder.mkdir(parents=True, exist_ok=True)
        with (self._job.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(text.strip()[-TAIL:] + "\n")

    def _conclude(self, code: int) -> None:
        self._code = code
        shutil.rmtree(self._submission.paths.folder, ignore_errors=True)


class Forked(Submission):
    """A job in a process of this machine: one of submitit, which starts and watches another."""

    def _look(self) -> int | None:
        if not self._submission.done():
            return None
        code = self._returned()
        return self._died() if code is None else code

    def _ask_to_stop(self) -> None:
        if not self._submission.done():
            # It hands the signal on.
            os.kill(int(self._submission.job_id), signal.SIGTERM)

    def _end(self) -> None:
        if self._submission.done():
            return
        first = psutil.Process(int(self._submission.job_id))
        processes = [*first.children(recursive=True), first]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        # submitit, too, is to see that its child has ended.
        self._submission.done()


class Queued(Submission):
    """A job in the queue of Slurm."""

    def __init__(self, job: Job, submission: Any, queue: Squeue) -> None:
        super().__init__(job, submission)
        self._queue = queue
        self._number = str(submission.job_id)
        self._begun = time.monotonic()
        self._ended: float | None = None

    def _look(self) -> int | None:
        state = self._queue.state(self._number, self._begun)
        code = self._returned()
        if code is not None or state is None or state in LIVING:
            return code
        self._ended = self._ended or time.monotonic()
        if state in (COMPLETED, GONE) and time.monotonic() - self._ended < VISIBLE:
            return None
        return STOPPED if state in RESUMABLE else self._died()

    def _ask_to_stop(self) -> None:
        self._queue.cancel(self._number)

    def _end(self) -> None:
        # To the job as a whole Slurm would first send SIGTERM, and wait.
        self._queue.scancel("--signal=KILL", f"{self._number}.0")
        # The shell around it, or what still waits.
        self._queue.scancel(self._number)


class Squeue:
    """The queue of Slurm as far as it is this user's, looked at every few seconds.

    It needs no accounting, which small clusters do not have.
    """

    def __init__(self) -> None:
        self._answered = -ASK
        self._asked = -ASK
        self._states: dict[str, tuple[str, str]] = {}

    def state(self, number: str, since: float) -> str | None:
        """State of a job, ``GONE`` when Slurm has forgotten it; None before the first answer.

        Args:
            number: of the job.
            since: when it was submitted.
        """
        self._look()
        return None if self._answered < since else self._states.get(number, (GONE, ""))[0]

    def living(self, name: str) -> list[str]:
        """Numbers of the jobs with a name that wait or run."""
        self._look()
        return [number for number, (state, other) in self._states.items() if other == name and state in LIVING]

    def cancel(self, *numbers: str) -> None:
        """Take jobs out of the queue that wait, and ask those that run to save their state and end."""
        if numbers:
            self.scancel("--state=PENDING", *numbers)
            self.scancel("--signal=TERM", *numbers)

    def scancel(self, *words: str) -> None:
        """Run ``scancel``; a job that has ended meanwhile is none of its errors."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--quiet", *words], capture_output=True, timeout=30, check=False)  # noqa: S607

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._asked < ASK:
            return
        self._asked = now
        words = ["squeue", f"--user={getpass.getuser()}", "--states=all", "--noheader", "--format=%i %T %j"]
        with suppress(subprocess.SubprocessError, OSError):
            text = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
            lines = [line.split(maxsplit=2) for line in text.splitlines()]
            self._states = {line[0]: (line[1], line[2].strip()) for line in lines if len(line) == 3}
            self._answered = now


@contextmanager
def outside() -> Iterator[None]:
    """Submit as from outside of any job, and without an interruption that would lose the number of the job.

    The processes that submitit starts do not see Ctrl-C either: it is this command that stops them.
    """
    outer = {name: value for name, value in os.environ.items() if name.startswith(OUTER) and name != "SLURM_CONF"}
    if "SLURM_JOB_ID" not in outer:
        outer = {}
    for name in outer:
        del os.environ[name]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.environ.update(outer)

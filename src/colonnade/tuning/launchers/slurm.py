"""Slurm: jobs in the queue of a cluster, by way of submitit."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from colonnade.core.errors import ConfigError, SearchError
from colonnade.core.optional import optional_import
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle, Launcher
from colonnade.tuning.launchers.remote import submitted
from colonnade.tuning.launchers.submission import Forked, Queued, Squeue, Submission, outside

FOLDER = ".submitit"
SLURM, LOCAL = "slurm", "local"
SLOTS = {SLURM: 8, LOCAL: 1}
LEAST = 5
# Seconds before its limit of time that a job is told to save its state.
NOTICE = 90
GRACE = 60.0


class Slurm(Launcher):
    """Jobs in the queue of Slurm, each one task on one node.

    A job that comes to its limit of time, or is pre-empted, saves its state and is submitted again by the search. What
    submitit stores lies in ``.submitit`` below the folder of the search, which all nodes share, in a folder of the job
    that nobody else may enter: the configuration, secrets included, until the job begins; a log until it ends.

    Args:
        cluster: ``slurm``, or ``local`` for processes of this machine, to try things without a cluster.
        slots: jobs in the queue at once, waiting ones included; None: 8, with ``local`` 1.
        partition: where jobs wait; None: that of the cluster.
        account: who pays; None: the user's.
        qos: quality of service; None: the user's.
        constraint: features that a node must have.
        timeout_min: limit of time of a job in minutes, at least 5.
        cpus_per_task: of a job, at least 1; it uses as many threads where ``threads`` says nothing.
        gpus_per_node: of a job.
        mem_gb: of a job; None: as the cluster has it.

    Raises:
        ValueError: an argument is out of range.
        MissingExtraError: submitit is not installed.
        ConfigError: there is no Slurm here.
    """

    def __init__(
        self,
        *,
        cluster: str = SLURM,
        slots: int | None = None,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        timeout_min: int = 240,
        cpus_per_task: int = 1,
        gpus_per_node: int = 0,
        mem_gb: float | None = None,
    ) -> None:
        if cluster not in SLOTS:
            raise ValueError(f"cluster must be {SLURM} or {LOCAL}, got {cluster!r}")
        for name, value, least in (
            ("slots", slots, 1),
            ("timeout_min", timeout_min, LEAST),
            ("cpus_per_task", cpus_per_task, 1),
            ("gpus_per_node", gpus_per_node, 0),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if mem_gb is not None and not mem_gb > 0:
            raise ValueError(f"mem_gb must be above 0, got {mem_gb}")
        self._submitit: Any = optional_import("submitit", "slurm")
        if cluster == SLURM and shutil.which("sbatch") is None:
            raise ConfigError(
                "launcher=slurm: this machine has no sbatch; start the search on a login node, or with "
                "launcher.cluster=local to try it here"
            )
        self.cluster = cluster
        self._slots = slots or SLOTS[cluster]
        self._threads = cpus_per_task
        self._parameters = {
            "timeout_min": timeout_min,
            "cpus_per_task": cpus_per_task,
            "gpus_per_node": gpus_per_node or None,
            "mem_gb": mem_gb,
            "stderr_to_stdout": True,
            "slurm_partition": partition,
            "slurm_account": account,
            "slurm_qos": qos,
            "slurm_constraint": constraint,
            # Since 22.05 a step does not inherit it.
            "slurm_srun_args": [f"--cpus-per-task={cpus_per_task}"],
            # submitit would be told by a signal that ends the further processes of a job; and the search itself
            # submits again.
            "slurm_additional_parameters": {"signal": f"TERM@{NOTICE}", "no-requeue": True},
        }
        self._queue = Squeue()
        self._running: list[Submission] = []
        self._folders: list[Path] = []

    @property
    def slots(self) -> int:
        """As given."""
        return self._slots

    def start(self, job: Job) -> Handle:
        """Submit a job.

        Raises:
            SearchError: Slurm does not take it.
        """
        self._running = [submission for submission in self._running if submission.poll() is None]
        folder, name = _place(job)
        if self.cluster == SLURM:
            # Of a command that was killed; the new one waits until the state is saved.
            self._queue.cancel(*self._queue.living(name))
        shutil.rmtree(folder, ignore_errors=True)
        # The job of before may still write there until it has ended.
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folders.append(folder)
        executor = self._submitit.AutoExecutor(folder=folder, cluster=self.cluster)
        executor.update_parameters(name=name, slurm_comment=job.key, **self._parameters)
        told = replace(job, threads=job.threads or self._threads)
        try:
            with outside():
                submission = executor.submit(submitted, told)
        except (RuntimeError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = str(error).strip().rpartition("\n")[2]
            raise SearchError(f"launcher=slurm: the job is not taken ({reason})") from error
        handle = Forked(job, submission) if self.cluster == LOCAL else Queued(job, submission, self._queue)
        self._running.append(handle)
        return handle

    def close(self) -> None:
        """Stop what still waits or runs, end it when it does not stop, and remove what submitit stored."""
        running = [submission for submission in self._running if submission.poll() is None]
        for submission in running:
            submission.stop()
        end = time.monotonic() + GRACE
        while any(submission.poll() is None for submission in running) and time.monotonic() < end:
            time.sleep(0.1)
        for submission in running:
            if submission.poll() is None:
                submission.kill()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                # Others may still use it.
                folder.parent.rmdir()
        self._running, self._folders = [], []


def _place(job: Job) -> tuple[Path, str]:
    """Folder for what submitit stores, and the name by which the queue knows a job, whoever submits it."""
    search = job.folder.parents[len(PurePath(job.key).parts) - 1]
    digest = hashlib.sha256(os.fsencode(job.folder)).hexdigest()[:12]
    return search / FOLDER / digest, f"colonnade-{digest}"

"""Local: jobs in processes of this machine, forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.util
import os
import signal
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import psutil

from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle, Launcher

PRELOAD = "colonnade.tuning.launchers.preload"
GRACE = 60.0
STOPPED = 128 + signal.SIGTERM
# What multiprocessing gives where it cannot tell.
LOST = 255
# The path of a socket holds 108 characters, 104 on macOS; multiprocessing adds 32 to its folder.
LONGEST_FOLDER = 70


class Local(Launcher):
    """Jobs on this machine.

    Each is a process group of its own, which ends with the process that launched it. Imports are paid once, by the
    process that all jobs are forked from.

    Args:
        trials_per_device: jobs at once on each GPU, or on the processor where there is none.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, *, trials_per_device: int = 1) -> None:
        if trials_per_device < 1:
            raise ValueError(f"trials_per_device must be at least 1, got {trials_per_device}")
        self.trials_per_device = trials_per_device
        _keep_sockets_short()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])
        self._devices = gpus()
        self._busy: list[tuple[str, Forked]] = []

    @property
    def slots(self) -> int:
        """Devices times jobs on each."""
        return max(1, len(self._devices)) * self.trials_per_device

    def prepare(self) -> None:
        """Start the imports."""
        from multiprocessing import forkserver

        forkserver.ensure_running()

    def start(self, job: Job) -> Handle:
        """Start a job on the device with the fewest."""
        self._busy = [(device, process) for device, process in self._busy if process.poll() is None]
        environment = dict(job.environment)
        device = ""
        if self._devices:
            taken = [device for device, _ in self._busy]
            device = min(self._devices, key=taken.count)
            environment["CUDA_VISIBLE_DEVICES"] = device
        threads = None if self.slots == 1 else max(1, processors() // self.slots)
        handle = Forked(self._context, Job(**{**vars(job), "environment": environment, "threads": threads}))
        self._busy.append((device, handle))
        return handle

    def wait(self, seconds: float) -> None:
        """Come back after that time, or earlier when a job has ended."""
        ends = [process.sentinel for _, process in self._busy if process.poll() is None]
        if ends:
            multiprocessing.connection.wait(ends, seconds)
        else:
            time.sleep(seconds)

    def close(self) -> None:
        """Stop what still runs, and end it when it does not stop."""
        running = [process for _, process in self._busy if process.poll() is None]
        for process in running:
            process.stop()
        end = time.monotonic() + GRACE
        while any(process.poll() is None for process in running) and time.monotonic() < end:
            time.sleep(0.05)
        for process in running:
            if process.poll() is None:
                process.kill()


class Forked(Handle):
    """One forked process."""

    def __init__(self, context: multiprocessing.context.ForkServerContext, job: Job) -> None:
        reader, self._writer = context.Pipe(duplex=False)
        self._process: ForkServerProcess = context.Process(target=_main, args=(job, reader), name=job.key)
        self._process.start()
        reader.close()
        self.sentinel = self._process.sentinel
        self._code: int | None = None

    def poll(self) -> int | None:
        """See the base class."""
        if self._code is None and self._process.exitcode is not None:
            self._code = self._process.exitcode
            if self._code == LOST and psutil.pid_exists(self._process.pid or 0):
                # The process that it was forked from is gone. The job hears of it, saves its state and ends.
                self._code = STOPPED
            self._writer.close()
        return self._code

    def stop(self) -> None:
        """See the base class."""
        self._send(signal.SIGTERM, group=False)

    def kill(self) -> None:
        """See the base class."""
        self._send(signal.SIGKILL, group=True)
        self._process.join(10)

    def _send(self, number: signal.Signals, *, group: bool) -> None:
        pid = self._process.pid
        if pid is None or self._process.exitcode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            # Until it leads a group of its own, the group is that of the server.
            os.killpg(pid, number) if group and os.getpgid(pid) == pid else os.kill(pid, number)


def processors() -> int:
    """Those that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def _keep_sockets_short() -> None:
    """Put multiprocessing's sockets into ``/tmp`` where the path of the folder for temporary files is too long.

    Python does so itself from 3.14 on.
    """
    usual = tempfile.tempdir
    if len(tempfile.gettempdir()) > LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"  # noqa: S108
    try:
        multiprocessing.util.get_temp_dir()
    finally:
        tempfile.tempdir = usual


def _main(job: Job, parent: Connection) -> None:
    """The forked process."""
    from colonnade.tuning.launchers.child import run

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminated)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    code = run(job)
    # Neither threads of libraries may keep a finished job from ending, nor processes outlive it.
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(code)


def terminated(number: int, frame: object) -> None:
    """Stop where Lightning does not: outside of the training loop, where it has no handler of its own."""
    if signal.getsignal(signal.SIGTERM) is terminated:
        raise SystemExit(128 + number)


def _end_with(parent: Connection) -> None:
    """Stop, the state saved, when the process that launched this one is gone; end for good when that takes too long.

    So too when the one is gone that it was forked from: nobody would hear how it ends.
    """
    server = os.getppid()
    with suppress(EOFError, OSError):
        while os.getppid() == server and not parent.poll(1.0):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)

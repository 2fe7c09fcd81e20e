"""One process of a training over several: ``python -m colonnade.runs.worker <run folder>``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext

from colonnade.config.job import load_job
from colonnade.core.errors import ColonnadeError
from colonnade.core.garbage import seldom_collected
from colonnade.runs.fit import train
from colonnade.runs.folder import WORKER_LOCK, RunFolder
from colonnade.runs.launch import JOB, is_first, note_error

GRACE = 60.0


def main(run_dir: str) -> int:
    """Train what the run folder's job file says; the exit status is that of the error."""
    logging.basicConfig(level=logging.INFO if is_first() else logging.ERROR, format="%(message)s")
    threading.Thread(target=stop_when_alone, daemon=True).start()
    folder = RunFolder(run_dir)
    try:
        # Outlives the launcher's lock: whoever comes next waits until the last state of this training is saved.
        with seldom_collected(), folder.locked(WORKER_LOCK) if is_first() else nullcontext():
            train(load_job(folder / JOB), folder)
    except ColonnadeError as error:
        note_error(folder.path, error)
        return error.exit_code
    return 0


def stop_when_alone() -> None:
    """Stop, the state saved, when the process that launched this one is gone: its end of the standard input closes."""
    # Not through sys.stdin, whose lock a thread may not hold while the interpreter ends.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    # It may wait for another process that is gone, and hears no signal.
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

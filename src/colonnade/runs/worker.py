"""One process of a training over several: ``python -m colonnade.runs.worker <run folder>``."""

from __future__ import annotations

import sys

from colonnade.config.record import load_config
from colonnade.core.errors import ColonnadeError
from colonnade.runs.fit import train
from colonnade.runs.folder import RunFolder
from colonnade.runs.launch import JOB, note_error


def main(run_dir: str) -> int:
    """Train what the run folder's job file says; the exit status is that of the error."""
    folder = RunFolder(run_dir)
    try:
        train(load_config(folder / JOB), folder)
    except ColonnadeError as error:
        note_error(folder.path, error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

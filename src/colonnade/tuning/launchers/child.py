"""Child: the process of one job, whichever launcher started it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from colonnade.core.errors import ColonnadeError, FolderBusyError, TrainingError, out_of_memory
from colonnade.runs.fit import failed, fit
from colonnade.runs.folder import LOG, RunFolder
from colonnade.runs.packed import fit_packed
from colonnade.tuning.job import Job
from colonnade.tuning.queue import untimed

log = logging.getLogger(__name__)

# A job of a worker that was killed may still be saving its state.
PATIENCE = 120.0


def run(job: Job) -> int:
    """Train a job in this process; everything it prints goes to ``train.log`` of its folder.

    Returns:
        The exit status: 0, that of an error, or 143 when it was told to stop.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    redirect(job.folder / LOG)
    code = _train(job)
    # What Weights & Biases does when an interpreter ends; that of a job is left without, and would lose the whole run.
    wandb = sys.modules.get("wandb")
    if wandb is not None:
        wandb.teardown(code)
    return code


def _train(job: Job) -> int:
    begun = time.monotonic()
    os.environ.update(job.environment)
    os.chdir(job.cwd)
    cfgs = [_config(member) for member in job.members]
    folders = [RunFolder(member.folder) for member in job.members]
    try:
        for folder in folders:
            folder.wait(PATIENCE)
        _limit_threads(job.threads)
        if job.others:
            fit_packed(cfgs, [folder.path for folder in folders])
        else:
            fit(cfgs[0], job.folder)
        if job.latency and untimed(folders[0].result):
            _time(folders[0])
        log.info("took %.2f s", time.monotonic() - begun)
    except FolderBusyError as error:
        # Not this one's to say how that training ends: it is asked for again when it has.
        sys.stderr.write(f"{error}\n")
        return 128 + signal.SIGTERM
    except ColonnadeError as error:
        # fit has left its record.
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except SystemExit:
        return 128 + signal.SIGTERM
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        for cfg, folder in zip(cfgs, folders):
            if folder.result is None or not job.others:
                failed(cfg, folder, _told(error))
        return 1
    return 0


def _config(job: Job) -> DictConfig:
    cfg = OmegaConf.create(job.config)
    assert isinstance(cfg, DictConfig)
    OmegaConf.set_struct(cfg, True)
    return cfg


def redirect(path: Path) -> None:
    """Append standard output and error, also those of libraries and of further processes, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _limit_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)


def _told(error: BaseException) -> ColonnadeError:
    """Any error, as the record of a run tells it."""
    return out_of_memory(error) or TrainingError(f"{type(error).__name__}: {error}")


def _time(folder: RunFolder) -> None:
    """Add the milliseconds that the prediction of one row takes to the result."""
    from colonnade.runs.latency import latency

    folder.finish({**(folder.result or {}), "latency": latency(folder.path)})

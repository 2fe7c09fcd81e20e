"""One training over several processes: of this machine, unless ``cluster:`` names who starts them elsewhere.

Lightning's own launcher repeats ``sys.argv`` in its children; under a sweep each child would then start a sweep of its
own and train other settings than its siblings. Here the children are given the run folder and read the configuration
from it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from omegaconf import DictConfig, ListConfig, OmegaConf

from colonnade.config.build import build
from colonnade.config.job import portable
from colonnade.core import errors
from colonnade.core.errors import ColonnadeError, TrainingError
from colonnade.core.files import write_json

JOB = "job.yaml"
ERROR = "job-error.json"
WORKER = "colonnade.runs.worker"


def processes(cfg: DictConfig) -> int:
    """Number of processes that a configuration asks for; 1 in one of several, which starts no others."""
    if is_worker():
        return 1
    devices = cfg.trainer.get("devices", 1)
    if on_cluster(cfg):
        # That it is a number, the check has seen.
        return int(devices) * int(cfg.trainer.get("num_nodes", 1))
    if isinstance(devices, ListConfig):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return _accelerators(str(cfg.trainer.get("accelerator", "auto")))
    return int(devices) if str(devices).isdecimal() else len(str(devices).strip(",").split(","))


def on_cluster(cfg: DictConfig) -> bool:
    """Whether ``cluster:`` names who starts the processes of a training."""
    return cfg.get("cluster") is not None


def _accelerators(wanted: str) -> int:
    """Devices that Lightning uses when it is left to it."""
    import torch

    return max(1, torch.cuda.device_count()) if wanted in ("auto", "gpu", "cuda") else 1


def is_worker() -> bool:
    """Whether this process is one of several, started by us or by ``torchrun``."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return not is_worker() or int(os.environ.get("RANK", "0")) == 0


def leave_group() -> None:
    """Part from the other processes, when all that is to be exchanged has been.

    Gloo's threads that still live when the interpreter ends abort a process that has done all its work.
    """
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def launch(cfg: DictConfig, run_dir: Path, n: int) -> None:
    """Train in ``n`` processes and wait for them.

    They save their state and stop when this process is told to, and also when it is gone.

    Raises:
        ColonnadeError: a process failed; its message is passed on.
        SystemExit: the processes were told to stop.
    """
    if on_cluster(cfg):
        build(cfg.cluster).launch(cfg, run_dir, n)
        return
    (run_dir / ERROR).unlink(missing_ok=True)
    write_job(run_dir / JOB, cfg)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    told: int | None = None

    def forward(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if told is not None:
            raise SystemExit(128 + number)
        told = number
        child.send_signal(signal.SIGTERM)

    with subprocess.Popen(
        [*command, "-m", WORKER, str(run_dir)],
        env=_environment(n),
        # Nothing is ever written to it: its end tells the workers that this process is gone, however it went.
        stdin=subprocess.PIPE,
        # A terminal sends Ctrl-C to all of a session; the workers shall get one signal, from here.
        start_new_session=True,
    ) as child:
        before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            code = child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            (run_dir / JOB).unlink(missing_ok=True)
    if code == 0:
        return
    if told is not None:
        raise SystemExit(128 + told)
    raise _failure(run_dir / ERROR, n)


def note_error(run_dir: Path, error: ColonnadeError) -> None:
    """Leave the message of a worker for the process that launched it."""
    write_json(run_dir / ERROR, {"type": type(error).__name__, "text": str(error)})


def _failure(path: Path, n: int) -> ColonnadeError:
    """What a worker noted, or that none did."""
    return noted_error(path) or TrainingError(
        f"one of {n} processes died without a message of its own (what it wrote is above); the same command goes on "
        "from the last checkpoint"
    )


def noted_error(path: Path) -> ColonnadeError | None:
    """What a worker noted, as the error it was; None: it noted nothing."""
    if not path.exists():
        return None
    noted = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    kind: type[ColonnadeError] = vars(errors).get(noted["type"], ColonnadeError)
    return kind(noted["text"]) if kind.__init__ is ColonnadeError.__init__ else ColonnadeError(noted["text"])


def write_job(path: Path, cfg: DictConfig) -> None:
    """The configuration, with the secrets that it spells out, for the workers: nobody else may read or write it."""
    # A file that is there already would keep its own mode.
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(OmegaConf.to_yaml(portable(cfg)))


def _environment(n: int) -> dict[str, str]:
    """The environment of the workers: the processor's threads are shared out."""
    threads = max(1, (os.cpu_count() or 1) // n)
    return {"OMP_NUM_THREADS": str(threads), **os.environ}

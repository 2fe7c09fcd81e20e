"""One training over several local processes.

Lightning's own launcher repeats ``sys.argv`` in its children; under a sweep each child would then start a sweep of its
own and train other settings than its siblings. Here the children are given the run folder and read the configuration
from it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from omegaconf import DictConfig, OmegaConf

from colonnade.core.errors import ColonnadeError, TrainingError
from colonnade.runs.files import write_atomic

JOB = "job.yaml"
ERROR = "job-error.txt"
TERMINATED = 143


def processes(cfg: DictConfig) -> int:
    """Number of processes that a configuration asks this machine to start; 1 when no launch is needed."""
    if is_worker():
        return 1
    strategy = str(cfg.trainer.get("strategy", "auto"))
    devices = cfg.trainer.get("devices", 1)
    if not strategy.startswith(("ddp", "fsdp")) or not isinstance(devices, int):
        return 1
    return devices


def is_worker() -> bool:
    """Whether this process is one of several, started by us or by ``torchrun``."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def launch(cfg: DictConfig, run_dir: Path, n: int) -> None:
    """Train in ``n`` processes and wait for them.

    Raises:
        TrainingError: a process failed; its message is passed on.
        SystemExit: the processes were told to stop.
    """
    write_atomic(run_dir / JOB, OmegaConf.to_yaml(cfg))
    (run_dir / ERROR).unlink(missing_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    child = subprocess.Popen([*command, "-m", "colonnade.runs.worker", str(run_dir)], env=_environment(n))

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    (run_dir / JOB).unlink(missing_ok=True)
    if code == 0:
        return
    if not (run_dir / ERROR).exists():
        raise SystemExit(TERMINATED if code < 0 or code == TERMINATED else 1)
    raise TrainingError((run_dir / ERROR).read_text(encoding="utf-8"))


def note_error(run_dir: Path, error: ColonnadeError) -> None:
    """Leave the message of a worker for the process that launched it."""
    write_atomic(run_dir / ERROR, str(error))


def _environment(n: int) -> dict[str, str]:
    """The environment of the workers: the processor's threads are shared out."""
    threads = max(1, (os.cpu_count() or 1) // n)
    return {"OMP_NUM_THREADS": str(threads), **os.environ}

"""A callback that brings a training into trouble after its first epoch, or tells how it fares."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class Trouble(Callback):
    """Trouble of one kind.

    Args:
        kind: ``raise``, ``memory``, ``gpu``, ``cpu``, ``kill``, ``tell`` or ``child``.
        told: file to write to.
    """

    def __init__(self, *, kind: str, told: str = "told") -> None:
        self.kind = kind
        self.told = Path(told)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        match self.kind:
            case "raise":
                raise ValueError("too steep\nat length")
            case "memory":
                raise MemoryError
            case "gpu":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has")
            case "cpu":
                torch.empty(10**15)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "tell":
                self.told.write_text(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {os.environ['MARK']}")
            case "child":
                if not self.told.exists():
                    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                    self.told.write_text(f"{child.pid} {os.getpgid(child.pid)} {os.getpid()}")

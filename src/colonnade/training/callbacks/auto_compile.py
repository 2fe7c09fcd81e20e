"""AutoCompile: whether a training goes on compiled and in bfloat16, decided by what its epochs take."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

from colonnade.core.chunk import Chunk
from colonnade.core.files import write_json

log = logging.getLogger(__name__)

# What can be known before it was tried: compiling took 26 to 65 s (MLP, TabM), and a step then 31 to 63 % of its time.
COST = 65.0
SAVED = 0.5
BACKEND = "inductor"
FILE = "compile.json"
WHOLE = "32-true"


class AutoCompile(Callback):
    """What ``module.compile=auto`` is: compiled code and bfloat16 where the training is long enough to pay for them.

    The first epoch is trained as it is, in float32. If the epochs that are sure to follow take so long that half of it
    is more than compiling costs, the network is compiled and runs in bfloat16 from there. The first epoch of that pays
    for the compiling; the one after it is measured, and where its steps are no faster the training goes back.

    Sure to follow are those up to ``trainer.max_epochs``, though no more than early stopping still has patience for.
    The decision and what it came of stand in ``compile.json`` of the run folder; a training that is resumed keeps it.

    Args:
        parts: what would be compiled: the network, and that which is evaluated.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        self.parts = tuple(parts)
        # "float32" is measured; then "compiling", "measured" and for good "compiled", or "refused".
        self.phase = "float32"
        self.eager: float | None = None
        self._seconds, self._steps, self._start = 0.0, 0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on as the training that is resumed did; refuse at once where there is nothing to gain."""
        if self.phase in ("compiling", "measured", "compiled"):
            self._switch(trainer, compiled=True)
            # Its next epoch compiles once more.
            self.phase = "compiled" if self.phase == "compiled" else "compiling"
        elif self.phase == "float32":
            why = unfit(trainer, pl_module.device)
            if why is not None:
                self._refuse(trainer, why)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Chunk, batch_idx: int) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Add the time of a chunk."""
        self._seconds += time.perf_counter() - self._start
        self._steps += len(batch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decide, or look what came of it."""
        seconds, steps = self._seconds, self._steps
        self._seconds, self._steps = 0.0, 0
        if not steps:
            return
        if self.phase == "float32":
            self.eager = seconds / steps
            self._decide(trainer, seconds)
        elif self.phase == "compiling":
            self.phase = "measured"
        elif self.phase == "measured":
            self._judge(trainer, seconds / steps)

    def state_dict(self) -> dict[str, Any]:
        """What was decided."""
        return {"phase": self.phase, "eager": self.eager}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.phase, self.eager = state["phase"], state["eager"]

    def _decide(self, trainer: Trainer, seconds: float) -> None:
        left = sure(trainer) * seconds
        if left * SAVED <= COST:
            self._refuse(
                trainer,
                f"{left:.0f} s of training are sure to follow, of which compiling saves about {left * SAVED:.0f} and "
                f"costs about {COST:.0f}",
            )
            return
        self.phase = "compiling"
        self._switch(trainer, compiled=True)
        self._tell(trainer, f"{left:.0f} s of training are sure to follow: from here compiled and in bfloat16")

    def _judge(self, trainer: Trainer, compiled: float) -> None:
        assert self.eager is not None
        if compiled >= self.eager:
            self._switch(trainer, compiled=False)
            self._refuse(trainer, f"a step takes {compiled / self.eager:.2f} of its time before")
            return
        self.phase = "compiled"
        self._tell(trainer, f"compiled, a step takes {compiled / self.eager:.2f} of its time before", step=compiled)

    def _switch(self, trainer: Trainer, *, compiled: bool) -> None:
        compile_in_place(self.parts, BACKEND if compiled else None)
        trainer.strategy.precision_plugin = MixedPrecision("bf16-mixed", "cpu") if compiled else None

    def _refuse(self, trainer: Trainer, why: str) -> None:
        self.phase = "refused"
        self._tell(trainer, f"stays eager and in float32: {why}")

    def _tell(self, trainer: Trainer, text: str, step: float | None = None) -> None:
        log.info("module.compile=auto: %s", text)
        if trainer.is_global_zero:
            told = {
                "phase": self.phase,
                "why": text,
                "epoch": trainer.current_epoch,
                "seconds_a_step": {"float32": self.eager, "compiled": step},
            }
            write_json(Path(trainer.default_root_dir) / FILE, told)


def compile_in_place(parts: Iterable[nn.Module], backend: str | None) -> None:
    """Compile modules by a backend of ``torch.compile``, when they are next called; None: no longer.

    A wrapper would put its own name into the keys of the state.
    """
    for part in parts:
        part._compiled_call_impl = None
        if backend is not None:
            part.compile(backend=backend)


def unfit(trainer: Trainer, device: torch.device) -> str | None:
    """Why nothing is to be gained, in words; None: there may be."""
    if trainer.precision != WHOLE:
        return f"trainer.precision={trainer.precision} was chosen"
    if trainer.world_size > 1:
        return "several processes would decide each for itself; module.compile=true compiles in all"
    if device.type != "cpu":
        return "what compiling gains is known of processors alone; experiment=compiled compiles on others"
    if not has_bfloat16():
        return "this processor has no units for bfloat16"
    return None


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16: AVX-512 BF16 or AMX of Intel and AMD, BF16 of Arm."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def sure(trainer: Trainer) -> float:
    """Epochs that follow whatever the metrics say."""
    most = trainer.max_epochs
    left = math.inf if most is None or most < 0 else most - trainer.current_epoch - 1
    patient = [c.patience - c.wait_count for c in trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
    return max(0, min([left, *patient]))

"""LearningRateFinder: a range test before training."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from colonnade.core.chunk import Chunk
from colonnade.core.errors import ConfigError
from colonnade.training.module import SupervisedModule
from colonnade.training.trial import Trial, range_test, suggestion

log = logging.getLogger(__name__)


class LearningRateFinder(Callback):
    """Raises the learning rate on a copy of the network until the loss diverges, and says which rate it would take.

    Lightning's tuner moves the rate through a scheduler of its automatic optimisation, which does not run here. Writes
    ``lr_find.json`` and ``lr_find.png``. A resumed training is not tested again.

    Args:
        folder: where to write.
        apply: train with what was found, instead of ``optim.lr``.
        lowest, highest: range of the rates, ``0 < lowest < highest``.
        steps: optimizer steps of the test, at least 20.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, *, folder: str, apply: bool = False, lowest: float = 1e-6, highest: float = 1.0, steps: int = 150
    ) -> None:
        if not 0 < lowest < highest:
            raise ValueError(f"lowest and highest must be 0 < lowest < highest, not {lowest!r} and {highest!r}")
        if steps < 20:
            raise ValueError(f"steps must be 20 or more, not {steps!r}")
        self.folder = Path(folder)
        self.apply = apply
        self.lowest = lowest
        self.highest = highest
        self.steps = steps
        self.found: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test, write, and set the rate if asked to.

        Raises:
            ConfigError: the module is not a :class:`SupervisedModule`.
        """
        if trainer.global_step > 0:
            return
        if not isinstance(pl_module, SupervisedModule):
            raise ConfigError(f"callbacks.lr_finder works on a SupervisedModule, not on {type(pl_module).__name__}")
        rates, losses = range_test(
            Trial(pl_module.network, pl_module.task, pl_module.optim),
            cast(Iterable[Chunk], trainer.train_dataloader),
            device=pl_module.device,
            lowest=self.lowest,
            highest=self.highest,
            steps=self.steps,
        )
        # One answer for all processes.
        self.found = trainer.strategy.broadcast(suggestion(rates, losses))
        if self.found is None:
            log.warning("the loss diverged within ten steps from lr=%g: no learning rate is suggested", self.lowest)
        else:
            log.info("learning rate found: optim.lr=%g", self.found)
        if trainer.is_global_zero:
            self._write(rates, losses)
        if self.apply and self.found is not None:
            for group in trainer.optimizers[0].param_groups:
                group["initial_lr"] *= self.found / pl_module.optim.lr
                group["lr"] = group["initial_lr"]

    def _write(self, rates: list[float], losses: list[float]) -> None:
        from matplotlib.figure import Figure

        self.folder.mkdir(parents=True, exist_ok=True)
        result = {"suggestion": self.found, "lr": rates, "loss": losses}
        (self.folder / "lr_find.json").write_text(json.dumps(result), encoding="utf-8")
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(rates, losses)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed")
        if self.found is not None:
            axes.axvline(self.found, linestyle="--", color="grey", label=f"suggestion {self.found:g}")
            axes.legend()
        figure.savefig(self.folder / "lr_find.png", dpi=120)

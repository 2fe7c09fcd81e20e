"""LearningRateFinder: a range test before training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from colonnade.core.chunk import Chunk
from colonnade.core.errors import ConfigError
from colonnade.training.callbacks.found import record
from colonnade.training.module import SupervisedModule
from colonnade.training.trial import Trial, range_test, suggestion


class LearningRateFinder(Callback):
    """Raises the learning rate on a copy of the network until the loss diverges, and says which rate it would take.

    Writes ``lr_find.json``. A resumed training is not tested again. Why it is not Lightning's tuner:
    ``docs/decisions/0006-finders.md``.

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
        if trainer.is_global_zero:
            result = {"suggestion": self.found, "lr": rates, "loss": losses}
            record(trainer, self.folder, "lr_find", result, self._text())
        if self.apply and self.found is not None:
            for group in trainer.optimizers[0].param_groups:
                group["initial_lr"] *= self.found / pl_module.optim.lr
                group["lr"] = group["initial_lr"]

    def _text(self) -> str:
        if self.found is None:
            return f"the loss diverged within ten steps from lr={self.lowest:g}: no learning rate is suggested"
        return f"learning rate found: optim.lr={self.found:g}"

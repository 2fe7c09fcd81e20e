"""OptimizerBuilder: what the ``optim:`` group of a configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from colonnade.core.errors import ConfigError
from colonnade.nn.progress import flat_cos
from colonnade.training import schedules
from colonnade.training.groups import parameter_groups

NAMES = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle", "coslog4", "step", "cycles", "plateau")
DECAY_SCHEDULES = ("constant", "flat_cos")
FUSED_DEVICES = ("cpu", "cuda", "mps")


class OptimizerBuilder:
    """Builds the optimizer of a network, and says the learning rate of each step.

    Args:
        name: ``adamw`` (decoupled decay, Loshchilov and Hutter 2019), ``adam`` (decay as L2) or ``sgd``.
        lr: base learning rate, above 0.
        weight_decay: decay of what is decayed, see :func:`~colonnade.training.groups.parameter_groups`; from 0.
        betas: of ``adam`` and ``adamw``, each in [0, 1).
        eps: of adam and adamw, above 0.
        momentum: of sgd, in [0, 1).
        nesterov: of sgd, whose momentum is then above 0.
        fused: one kernel for all parameters; None: where it is implemented.
        grad_clip: largest norm of all gradients together; None: not clipped.
        schedule: ``constant``, ``cosine``, ``one_cycle``, ``coslog4``, ``step`` (times ``gamma`` every
            ``step_epochs``), ``cycles`` (``cycles`` cosines one after the other) or ``plateau`` (times ``gamma`` after
            ``patience`` epochs without a better monitored metric).
        schedule_epochs: length of the schedule in epochs, after which its last value stays; None:
            ``trainer.max_epochs``.
        final: where ``cosine`` ends, as a factor of ``lr``, in [0, 1].
        gamma: factor of ``step`` and ``plateau``, in (0, 1).
        step_epochs: epochs between drops of ``step``, from 1.
        cycles: of ``cycles``, from 1.
        patience: of ``plateau``, in epochs, from 0.
        warmup_steps: optimizer steps over which the rate rises linearly, from 0.
        lr_factors: factors of the learning rate for parts of the network, by the beginning of the parameter's name.
        decay_schedule: of the weight decay, over the same length: ``constant``, or ``flat_cos`` (a half at full
            strength, then down to 0 along a cosine). A decoupled decay follows the learning rate besides.

    Raises:
        ValueError: an argument is out of range; the text names it and the range.
    """

    def __init__(
        self,
        *,
        name: str = "adamw",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum: float = 0.9,
        nesterov: bool = False,
        fused: bool | None = None,
        grad_clip: float | None = None,
        schedule: str = "constant",
        schedule_epochs: int | None = None,
        final: float = 0.0,
        gamma: float = 0.1,
        step_epochs: int = 30,
        cycles: int = 5,
        patience: int = 5,
        warmup_steps: int = 0,
        lr_factors: Mapping[str, float] | None = None,
        decay_schedule: str = "constant",
    ) -> None:
        _check("name", name, name in NAMES, " or ".join(NAMES))
        _check("lr", lr, lr > 0, "above 0")
        _check("weight_decay", weight_decay, weight_decay >= 0, "0 or more")
        _check("betas", betas, len(betas) == 2 and all(0 <= b < 1 for b in betas), "two numbers in [0, 1)")
        _check("eps", eps, eps > 0, "above 0")
        _check("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
        unmoved = name == "sgd" and nesterov and momentum == 0
        _check("momentum", momentum, not unmoved, "above 0 with nesterov=true")
        _check("grad_clip", grad_clip, grad_clip is None or grad_clip > 0, "above 0, or null")
        _check("schedule", schedule, schedule in SCHEDULES, " or ".join(SCHEDULES))
        _check(
            "schedule_epochs", schedule_epochs, schedule_epochs is None or schedule_epochs >= 1, "1 or more, or null"
        )
        _check("final", final, 0 <= final <= 1, "in [0, 1]")
        _check("gamma", gamma, 0 < gamma < 1, "in (0, 1)")
        _check("step_epochs", step_epochs, step_epochs >= 1, "1 or more")
        _check("cycles", cycles, cycles >= 1, "1 or more")
        _check("patience", patience, patience >= 0, "0 or more")
        _check("warmup_steps", warmup_steps, warmup_steps >= 0, "0 or more")
        _check("decay_schedule", decay_schedule, decay_schedule in DECAY_SCHEDULES, " or ".join(DECAY_SCHEDULES))
        self.lr_factors = dict(lr_factors or {})
        for key, factor in self.lr_factors.items():
            _check(f"lr_factors.{key}", factor, factor > 0, "above 0")
        self.name = name
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = (float(betas[0]), float(betas[1]))
        self.eps = eps
        self.momentum = momentum
        self.nesterov = nesterov
        self.fused = fused
        self.grad_clip = grad_clip
        self.schedule = schedule
        self.schedule_epochs = schedule_epochs
        self.final = final
        self.gamma = gamma
        self.step_epochs = step_epochs
        self.cycles = cycles
        self.patience = patience
        self.warmup_steps = warmup_steps
        self.decay_schedule = decay_schedule

    def build(self, network: nn.Module, *, may_fuse: bool = True) -> Optimizer:
        """The optimizer of ``network``, its parameters in groups.

        Args:
            network: on the device where it trains.
            may_fuse: False where gradients have to be unscaled before the step, as with float16 and clipping.
        """
        groups = parameter_groups(network, lr=self.lr, weight_decay=self.weight_decay, lr_factors=self.lr_factors)
        parameters = [p for group in groups for p in group["params"]]
        possible = all(p.device.type in FUSED_DEVICES and torch.is_floating_point(p) for p in parameters)
        fused = may_fuse and (possible if self.fused is None else self.fused)
        if self.name == "sgd":
            return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, fused=fused)
        kind = torch.optim.AdamW if self.name == "adamw" else torch.optim.Adam
        return kind(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=fused)

    def plateau(self, optimizer: Optimizer, mode: str) -> ReduceLROnPlateau | None:
        """The scheduler that follows the monitored metric; None for the other schedules.

        Args:
            optimizer: what :meth:`build` gave.
            mode: ``min`` or ``max``.
        """
        if self.schedule != "plateau":
            return None
        # The mode is checked by torch, which takes exactly the two words that tasks use.
        return ReduceLROnPlateau(optimizer, mode=mode, factor=self.gamma, patience=self.patience)  # type: ignore[arg-type]

    def rate(self, *, max_epochs: int | None, steps_per_epoch: int, progressive: bool = False) -> Rate:
        """The learning rate of each step of a training.

        Args:
            max_epochs: of the trainer; None or -1: it has no end.
            steps_per_epoch: optimizer steps.
            progressive: whether the network itself changes over the length of the schedule.

        Raises:
            ConfigError: a schedule needs a length, and neither ``optim.schedule_epochs`` nor ``trainer.max_epochs``
            gives one.
        """
        epochs = self.schedule_epochs or max_epochs or 0
        moves = self.schedule not in ("constant", "plateau")
        needy = {
            f"optim.schedule={self.schedule}": moves,
            f"optim.decay_schedule={self.decay_schedule}": self.decay_schedule != "constant",
            "a network that changes as it is trained": progressive,
        }
        for what, needs in needy.items():
            if needs and epochs < 1:
                raise ConfigError(f"{what} needs a length: set optim.schedule_epochs")
        function: dict[str, schedules.Schedule] = {
            "cosine": partial(schedules.cosine, final=self.final),
            "one_cycle": schedules.one_cycle,
            "coslog4": schedules.coslog4,
            "cycles": partial(schedules.cycles, cycles=self.cycles),
            "step": partial(schedules.step, drops=epochs / self.step_epochs, gamma=self.gamma),
        }
        return Rate(
            function.get(self.schedule, schedules.constant),
            total=epochs * steps_per_epoch,
            warmup_steps=self.warmup_steps,
            moves=moves,
            decay=flat_cos if self.decay_schedule == "flat_cos" else None,
        )


class Rate:
    """Sets the learning rate, and if asked the weight decay, of every parameter group before a step.

    Args:
        schedule: factor as a function of progress, 0 to 1.
        total: optimizer steps of the whole schedule.
        warmup_steps: steps of linear rise.
        moves: whether the factor changes after the warm-up; where it does not, the rates are left alone.
        decay: factor of the weight decay; None: it is left alone.
    """

    def __init__(
        self,
        schedule: schedules.Schedule,
        *,
        total: int,
        warmup_steps: int,
        moves: bool,
        decay: schedules.Schedule | None = None,
    ) -> None:
        self.schedule = schedule
        self.total = max(1, total)
        self.warmup_steps = warmup_steps
        self.moves = moves
        self.decay = decay

    def progress(self, index: int) -> float:
        """Share of the schedule that lies behind optimizer step ``index``, from 0."""
        return min(1.0, index / self.total)

    def factor(self, index: int) -> float:
        """Factor of the base rate at optimizer step ``index``, from 0."""
        return self.schedule(self.progress(index)) * schedules.warmup(index, self.warmup_steps)

    def writes(self, index: int) -> bool:
        """Whether :meth:`apply` changes anything at optimizer step ``index``."""
        return self.decay is not None or self.moves or index < self.warmup_steps

    def apply(self, groups: list[dict[str, Any]], index: int) -> None:
        """Write the rate of step ``index`` into the groups; nothing to do costs nothing."""
        if self.decay is not None:
            share = self.decay(self.progress(index))
            for group in groups:
                group["weight_decay"] = group["initial_decay"] * share
        if not self.moves and index >= self.warmup_steps:
            return
        factor = self.factor(index)
        for group in groups:
            group["lr"] = group["initial_lr"] * factor


def _check(argument: str, value: object, holds: bool, expected: str) -> None:
    """Raise a ValueError that names the argument, its value and its range."""
    if not holds:
        raise ValueError(f"{argument} must be {expected}, not {value!r}")

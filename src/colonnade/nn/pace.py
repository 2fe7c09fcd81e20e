"""Pace: how fast single parameters learn and decay, beside the rest of their network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Pace:
    """Factors of one parameter.

    Args:
        lr: factor of the learning rate.
        decay: factor of ``optim.weight_decay``. Where the decay is decoupled (adamw), it meets the parameter's own
            learning rate: a step shrinks the parameter by ``optim.lr * lr * optim.weight_decay * decay``.
    """

    lr: float = 1.0
    decay: float = 1.0


class Paced(nn.Module, ABC):
    """A module with parameters that learn or decay at a pace of their own.

    :func:`colonnade.training.groups.parameter_groups` asks for it; ``optim.lr_factors`` comes on top.
    """

    @abstractmethod
    def paces(self) -> dict[str, Pace]:
        """Paces by the name of a parameter within this module; those that are not named follow the usual rules."""

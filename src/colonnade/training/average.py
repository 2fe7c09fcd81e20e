"""WeightAverage: averages of the weights of a network over its optimizer steps."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from colonnade.core.errors import ConfigError


class WeightAverage(nn.Module):
    """A moving average of the weights (Polyak and Juditsky 1992), by which a network is evaluated.

    After step ``t`` the share ``min(decay, (1 + t) / (10 + t))`` of the average stays, so that a short training is not
    judged by the weights it began with. ``torch.optim.swa_utils.AveragedModel`` asks the device for its counter and
    copies every buffer at each step; here the lists are gathered once, and buffers are copied when the average is used.

    Args:
        network: what is averaged; copied.
        decay: share of the average that stays at each step of a long training, in (0, 1).

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ValueError(f"ema must be in (0, 1), not {decay!r}")
        self.module = deepcopy(network).requires_grad_(False)
        self.setting = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None

    def begin(self, total: int) -> None:
        """Learn how many optimizer steps the training has, and gather the parameters anew at the next update."""
        self.forget()

    def share(self, index: int) -> float:
        """Of the weights after step ``index`` in the average; those after step 0 are copied."""
        return 1 - min(self.setting, (1 + index) / (10 + index)) if index else 1.0

    @torch.no_grad()
    def update(self, network: nn.Module, index: int) -> None:
        """Take the weights after optimizer step ``index``."""
        if self._pairs is None:
            self._pairs = (list(self.module.parameters()), [p.detach() for p in network.parameters()])
        mix(*self._pairs, self.share(index))

    @torch.no_grad()
    def sync_buffers(self, network: nn.Module) -> None:
        """Copy the buffers of ``network`` (running statistics, bins), which are not averaged."""
        for mine, theirs in zip(self.module.buffers(), network.buffers()):
            mine.copy_(theirs)

    def forget(self) -> None:
        """Gather the parameters anew at the next update; needed when they were moved or replaced."""
        self._pairs = None


class StochasticAverage(WeightAverage):
    """The plain mean of the weights of the last part of a training (Izmailov et al., "Averaging weights", UAI 2018).

    Until then the network is evaluated as it is. Here every optimizer step counts, in the paper the end of each epoch.

    Args:
        network: what is averaged; copied.
        start: share of the training that lies before the first averaged step, in [0, 1).

    Raises:
        ValueError: ``start`` is out of range.
    """

    def __init__(self, network: nn.Module, start: float) -> None:
        if not 0 <= start < 1:
            raise ValueError(f"swa must be in [0, 1), not {start!r}")
        super().__init__(network, 0.5)
        self.setting = start
        self.first = 0

    def begin(self, total: int) -> None:
        """See the base class.

        Raises:
            ConfigError: the training has no end.
        """
        super().begin(total)
        if total <= 1:
            raise ConfigError("module.swa needs a length: set trainer.max_epochs or optim.schedule_epochs")
        self.first = int(self.setting * total)

    def share(self, index: int) -> float:
        """Of the weights after step ``index``: all of it until the first step that counts, then a fair part."""
        return 1 / (index - self.first + 1) if index > self.first else 1.0


def averaged(network: nn.Module, *, ema: float | None, swa: float | None) -> WeightAverage | None:
    """The average that a training keeps; None: none.

    Raises:
        ValueError: a value out of range, or both are asked for.
    """
    if ema is not None and swa is not None:
        raise ValueError(f"ema={ema} and swa={swa} are two averages of the same weights: set one of them to null")
    if swa is not None:
        return StochasticAverage(network, swa)
    return None if ema is None else WeightAverage(network, ema)


def mix(average: list[Tensor], weights: list[Tensor], share: float) -> None:
    """Move an average towards weights by a share, in place."""
    if share == 1:
        torch._foreach_copy_(average, weights)
    else:
        torch._foreach_lerp_(average, weights, share)

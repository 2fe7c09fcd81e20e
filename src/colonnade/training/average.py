"""WeightAverage: an exponential moving average of the weights of a network."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


class WeightAverage(nn.Module):
    """Average of the weights over the optimizer steps (Polyak and Juditsky 1992), by which a network is evaluated.

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
        self.decay = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None

    @torch.no_grad()
    def update(self, network: nn.Module, index: int) -> None:
        """Take the weights after optimizer step ``index``; those after step 0 are copied."""
        if self._pairs is None:
            self._pairs = (list(self.module.parameters()), [p.detach() for p in network.parameters()])
        mine, theirs = self._pairs
        if index == 0:
            torch._foreach_copy_(mine, theirs)
        else:
            torch._foreach_lerp_(mine, theirs, 1 - min(self.decay, (1 + index) / (10 + index)))

    @torch.no_grad()
    def sync_buffers(self, network: nn.Module) -> None:
        """Copy the buffers of ``network`` (running statistics, bins), which are not averaged."""
        for mine, theirs in zip(self.module.buffers(), network.buffers()):
            mine.copy_(theirs)

    def forget(self) -> None:
        """Gather the parameters anew at the next update; needed when they were moved or replaced."""
        self._pairs = None

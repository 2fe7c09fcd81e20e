"""Steps first: recurrences without the state in their gates as loops over any number of steps."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.backbones.mingru import MinGru, Unit
from colonnade.nn.blocks.loop import loop

M = TypeVar("M", bound=nn.Module)


class ScannedUnit(nn.Module):
    """A :class:`~colonnade.nn.backbones.mingru.Unit` step by step, for a graph alone: rounds of doubling cannot be as
    many as a series needs there, and each of them passes over all steps.

    Args:
        unit: whose weights are known.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.backward = unit.backward
        self.rate, self.value = unit.rate, unit.value

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(T, B, d_in)`` and a mask ``(T, B)`` to the state after each step, ``(T, B, d_state)``."""
        value, rate = self.value(x), torch.sigmoid(self.rate(x))
        if self.backward and mask is not None:
            # Which keeps the state of zero up to the last valid step.
            rate = rate * mask.unsqueeze(-1).to(rate.dtype)

        def step(state: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            new, share = given
            state = state + share * (new - state)
            return state, state.clone()

        before = value.new_zeros(value.shape[1:])
        states: Tensor = loop(step, before, (value, rate), reverse=self.backward)[1]
        return states


class StepsFirst(nn.Module):
    """A :class:`~colonnade.nn.backbones.mingru.MinGru` whose steps come before the series, as loops take them.

    Args:
        part: whose units are :class:`ScannedUnit`.
    """

    def __init__(self, part: MinGru) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """See :meth:`~colonnade.nn.backbones.mingru.MinGru.forward`."""
        valid = None if mask is None else mask.transpose(0, 1)
        x = self.part.project(x.transpose(0, 1))
        for block in self.part.blocks:
            x = block(x, valid)
        return self.part.pool(self.part.norm(x).transpose(0, 1), mask).unsqueeze(1), None


def with_steps_first(predictor: M) -> M:
    """The predictor, or, where it has such recurrences, a copy in which these are loops."""
    return replaced(replaced(predictor, Unit, ScannedUnit), MinGru, StepsFirst)

"""Folded: the two linear maps of DLinear, and its moving average, as one map of the past."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.backbones.dlinear import DLinear

M = TypeVar("M", bound=nn.Module)


class FoldedDLinear(nn.Module):
    """A :class:`~colonnade.nn.backbones.dlinear.DLinear` whose average is part of its weights.

    onnxruntime averages one number after the other, which takes longer than everything else.

    Args:
        part: whose weights are known.
    """

    @torch.no_grad()
    def __init__(self, part: DLinear) -> None:
        super().__init__()
        self.window, self.steady = part.window, part.steady
        context = part.window.context
        average = part.averaged(torch.eye(context, dtype=torch.float64).unsqueeze(0))[0]
        trend, rest = (layer.weight.to(torch.float64) for layer in (part.trend, part.rest))
        self.linear = nn.Linear(context, part.window.levels, dtype=part.rest.weight.dtype)
        self.linear.weight.copy_(rest + (trend - rest) @ average.T)
        self.linear.bias.copy_(part.trend.bias + part.rest.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """See :meth:`~colonnade.nn.backbones.dlinear.DLinear.forward`."""
        return self.window.flat(self.steady(self.linear(self.window.past(x)))), None


def with_folded(predictor: M) -> M:
    """The predictor, or, where it has such maps, a copy in which they are one."""
    return replaced(predictor, DLinear, FoldedDLinear)

"""N-HiTS: blocks that each explain a part of the past at their own rate, and forecast by interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class NHiTS(ForecastBackbone):
    """Each block pools what the blocks before left of the past, and gives a backcast, which is taken off, and a few
    values of a forecast, between which straight lines are drawn. The forecast is the last value and the sum of all.

    Challu et al., *N-HiTS: Neural Hierarchical Interpolation for Time Series Forecasting*, AAAI 2023. All channels
    share the weights; columns that are not forecast are not looked at. The last value is the level, as in
    neuralforecast.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        pool: steps of which each block sees the largest value only.
        downsample: each block gives ``horizon // downsample`` values, one at least.
        n_blocks: blocks of each entry of ``pool``.
        d_hidden: width of the hidden layers.
        n_hidden: hidden layers of a block.
        dropout: of hidden layers.

    Raises:
        ValueError: for an argument out of range, or as many ``downsample`` as ``pool`` are not there.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        window: Window,
        pool: Sequence[int] = (2, 2, 1),
        downsample: Sequence[int] = (4, 2, 1),
        n_blocks: int = 1,
        d_hidden: int = 512,
        n_hidden: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(n_blocks=n_blocks, d_hidden=d_hidden, n_hidden=n_hidden)
        fraction(dropout=dropout)
        if not pool or len(pool) != len(downsample) or min(*pool, *downsample) < 1:
            raise ValueError(
                f"pool={list(pool)} and downsample={list(downsample)}: a number above 0 of each for every stack"
            )
        self.window = window
        self.d_out = window.d_out
        stacks = [stack for stack in zip(pool, downsample) for _ in range(n_blocks)]
        self.blocks = nn.ModuleList(
            Block(
                window,
                pool=size,
                downsample=ratio,
                widths=[d_hidden] * n_hidden,
                dropout=dropout,
                # Nothing looks at what the last block leaves.
                explains=i + 1 < len(stacks),
            )
            for i, (size, ratio) in enumerate(stacks)
        )

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        past = self.window.past(x)
        ahead = past.new_zeros(1)
        # Backwards: where the context is no multiple of a pool, the oldest steps share the smaller one.
        rest = past.flip(-1)
        for block in self.blocks:
            backcast, forecast = block(rest)
            rest = rest if backcast is None else rest - backcast
            ahead = ahead + forecast
        return self.window.flat(self.window.placed(ahead, past[..., -1:])), None


class Block(nn.Module):
    """Pooling, hidden layers, a backcast, and a forecast of few values with straight lines between them.

    Args:
        window: what is looked at, and forecast.
        pool: steps that become one.
        downsample: steps ahead for each value of the forecast.
        widths: of the hidden layers.
        dropout: of hidden layers.
        explains: whether it gives a backcast.
    """

    lines: Tensor

    def __init__(
        self, window: Window, *, pool: int, downsample: int, widths: Sequence[int], dropout: float, explains: bool
    ) -> None:
        super().__init__()
        self.pool = pool
        sizes = [-(-window.context // pool), *widths]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), Dropout(dropout)) for a, b in pairwise(sizes)]
        self.hidden = nn.Sequential(*layers)
        self.backcast = nn.Linear(sizes[-1], window.context) if explains else None
        self.n_numbers = max(1, len(window.roles))
        steps = window.horizon // self.n_numbers
        n_knots = max(steps // downsample, 1)
        self.knots = nn.Linear(sizes[-1], self.n_numbers * n_knots)
        # What a value of each knot adds to each step: the interpolation is a linear map.
        lines = F.interpolate(torch.eye(n_knots).unsqueeze(0), size=steps, mode="linear")[0]
        self.register_buffer("lines", lines, persistent=False)

    def forward(self, rest: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b c t"] | None, Float[Tensor, "b c h"]]:
        """``(B, C, context)``, the last step first, to a backcast of it or None, and a forecast ``(B, C, horizon)``."""
        hidden = self.hidden(F.max_pool1d(rest, self.pool, self.pool, ceil_mode=True))
        # Of several numbers for each step, each has lines of its own.
        forecast = (self.knots(hidden).unflatten(-1, (self.n_numbers, -1)) @ self.lines).flatten(-2)
        return None if self.backcast is None else self.backcast(hidden), forecast

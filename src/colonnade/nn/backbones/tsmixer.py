"""TSMixer: linear layers along time and along columns, in turn."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.reversible_norm import ReversibleNorm
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class TSMixer(ForecastBackbone):
    """Blocks that mix the steps of each column by one map, then the columns of each step by another; a linear map of
    all steps forecasts. Columns are normalised by their own window before, and brought back behind.

    Chen et al., *TSMixer: An All-MLP Architecture for Time Series Forecasting*, TMLR 2023, with the reversible
    normalisation of its implementation, whose norms are of batches, over each step of each column.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        n_blocks: blocks.
        d_hidden: hidden width of the map over columns.
        dropout: of what each map gives.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, *, layout: Layout, window: Window, n_blocks: int = 2, d_hidden: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        positive(n_blocks=n_blocks, d_hidden=d_hidden)
        fraction(dropout=dropout)
        self.window = window
        self.d_out = window.d_out
        self.instance = ReversibleNorm(layout.d_flat)
        self.blocks = nn.ModuleList(
            Block(window.context, layout.d_flat, d_hidden=d_hidden, dropout=dropout) for _ in range(n_blocks)
        )
        self.forecast = nn.Linear(window.context, window.horizon)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        h, location, scale = self.instance(x.transpose(1, 2))
        for block in self.blocks:
            h = block(h)
        channels = list(self.window.channels)
        ahead = self.forecast(h[:, channels])
        return self.window.flat(self.window.placed(ahead, location[:, channels], scale[:, channels])), None


class Block(nn.Module):
    """A map over steps and one over columns, each behind a norm and added to what came in.

    Args:
        n_steps: steps.
        n_columns: columns.
        d_hidden, dropout: see :class:`TSMixer`.
    """

    def __init__(self, n_steps: int, n_columns: int, *, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.time_norm = nn.BatchNorm1d(n_steps * n_columns)
        self.time = nn.Linear(n_steps, n_steps)
        self.column_norm = nn.BatchNorm1d(n_steps * n_columns)
        self.input = nn.Linear(n_columns, d_hidden)
        self.output = nn.Linear(d_hidden, n_columns)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """``(B, C, T)`` to ``(B, C, T)``."""
        x = x + self.dropout(torch.relu(self.time(_of_batch(self.time_norm, x))))
        hidden = torch.relu(self.input(_of_batch(self.column_norm, x).transpose(1, 2)))
        return x + self.dropout(self.output(self.dropout(hidden))).transpose(1, 2)


def _of_batch(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    normed: Tensor = norm(x.flatten(1)).view_as(x)
    return normed

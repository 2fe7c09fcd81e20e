"""DeepAR: a recurrence over each series that is fed its own last value, and gives the distribution of the next."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import SeesAhead, Window
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.reversible_norm import ReversibleNorm
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class DeepAR(SeesAhead):
    """An LSTM reads the value before each step, what is known of the step, and what is static; its states give the
    numbers of each step ahead, such as the mean and deviation of ``task=forecast_distribution``. All channels share the
    weights; columns that are not known ahead are not looked at.

    Salinas et al., *DeepAR: Probabilistic Forecasting with Autoregressive Recurrent Networks*, IJF 2020. Departures, so
    that a forecast is one number that can be repeated and exported, and no sample: ahead, the LSTM is fed the level (or
    the mean of the quantiles) that it has just given, in training too, so that the distribution of a step is that of
    what is known at the origin, without the values between; and each window is normalised by its mean and deviation,
    where the paper divides by its mean.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        d_hidden: width of the states.
        n_layers: layers.
        dropout: between the layers.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, *, layout: Layout, window: Window, d_hidden: int = 40, n_layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        positive(d_hidden=d_hidden, n_layers=n_layers)
        fraction(dropout=dropout)
        self.window = window
        self.d_out = window.d_out
        self.norm = ReversibleNorm()
        d_in = 1 + len(window.known) + len(window.static)
        self.layers = nn.ModuleList(
            nn.LSTM(width, d_hidden, batch_first=True) for width in [d_in, *[d_hidden] * (n_layers - 1)]
        )
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(d_hidden, window.n_numbers)
        self.levels = [i for i, role in enumerate(window.roles) if role == "level"] or list(range(window.n_numbers))

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "b t"] | None = None,
        future: Float[Tensor, "b s k"] | None = None,
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)``, and what is known ahead, to ``(B, 1, horizon * C)``."""
        past, location, scale = self.norm(self.window.past(x))
        n_channels = len(self.window.channels)
        beside = self._beside(x, future)
        beside = beside.unsqueeze(1).expand(-1, n_channels, -1, -1).flatten(0, 1)
        value = past.flatten(0, 1).unsqueeze(-1)
        context = self.window.context
        # A step reads the value before it: the first one of the window has none, and is only read.
        state: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        _, state = self._read(torch.cat([value[:, :-1], beside[:, 1:context]], dim=-1), state)
        last, found = value[:, -1:], []
        for step in range(self.window.n_steps):
            h, state = self._read(torch.cat([last, beside[:, context + step, None]], dim=-1), state)
            found.append(self.output(h))
            last = found[-1][..., self.levels].mean(-1, keepdim=True)
        ahead = torch.cat(found, dim=1).transpose(1, 2).flatten(1).unflatten(0, (-1, n_channels))
        return self.window.flat(self.window.placed(ahead, location, scale)), None

    def _beside(self, x: Tensor, future: Tensor | None) -> Tensor:
        """What is known of all steps, and static, ``(B, context + steps, ...)``."""
        static = x[:, -1:, list(self.window.static)].expand(-1, self.window.context + self.window.n_steps, -1)
        if future is None:
            return static
        return torch.cat([torch.cat([x[..., list(self.window.known)], future], dim=1), static], dim=-1)

    def _read(
        self, x: Tensor, before: list[tuple[Tensor, Tensor] | None]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor] | None]]:
        """States of the last layer, and of all behind the last step."""
        after: list[tuple[Tensor, Tensor] | None] = []
        for i, (layer, state) in enumerate(zip(self.layers, before)):
            x, last = layer(self.dropout(x) if i else x, state)
            after.append(last)
        return x, after

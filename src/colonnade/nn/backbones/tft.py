"""TFT: variables are selected, read by a recurrence, and attended to over the time."""

from __future__ import annotations

from itertools import accumulate

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import SeesAhead, Window
from colonnade.nn.backbones.window_norm import WindowNorm
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.gated_residual import Gate, GatedResidual, VariableSelection
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class TFT(SeesAhead):
    """At each step, of the past and ahead, gated networks weigh the variables; an LSTM reads the past and goes on into
    what is known ahead; steps ahead attend to all before them, by heads that share their values. What is static weighs
    variables, begins the LSTM and enriches what it gives.

    Lim et al., *Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting*, International
    Journal of Forecasting 2021. The position of a step in the window is a variable that is always known, so that no
    other need be. Departures: what is forecast is normalised by its own window, where the published code does so by its
    entity; several values are forecast by one network. With the same weights all else gives what the parts of
    neuralforecast 3.3.0 give.

    Args:
        layout: of an embedded step; each column is a variable.
        window: what is looked at, and forecast.
        d_hidden: width of everything.
        n_heads: heads of the attention; must divide ``d_hidden``.
        dropout: before each gate, and of the attention.

    Raises:
        ValueError: for an argument out of range, or heads that do not divide the width.
    """

    positions: Tensor

    def __init__(
        self, *, layout: Layout, window: Window, d_hidden: int = 128, n_heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        positive(d_hidden=d_hidden, n_heads=n_heads)
        fraction(dropout=dropout)
        if d_hidden % n_heads:
            raise ValueError(f"n_heads={n_heads} does not divide d_hidden={d_hidden}")
        self.window = window
        self.d_out = window.d_out
        self.norm = WindowNorm(window, layout.d_flat)
        ends = list(accumulate(layout.widths))
        columns = [tuple(range(end - width, end)) for end, width in zip(ends, layout.widths)]
        static = [column for column in columns if column[0] in window.static]
        self.static = [list(column) for column in static]
        self.past = [list(column) for column in columns if column not in static]
        known = [i for i, column in enumerate(self.past) if column[0] in window.known]
        # Behind them the position.
        self.known = [*known, len(self.past)]
        self.of_static = nn.ModuleList(nn.Linear(len(column), d_hidden) for column in self.static)
        self.of_past = nn.ModuleList(nn.Linear(len(column), d_hidden) for column in [*self.past, [0]])
        at = torch.arange(window.context + window.n_steps) - window.context
        self.register_buffer("positions", at.float().unsqueeze(-1) / window.context, persistent=False)
        d_context = d_hidden if static else 0
        if static:
            self.select_static = VariableSelection(len(static), d_hidden, dropout=dropout)
            self.contexts = nn.ModuleList(
                GatedResidual(d_hidden, d_hidden, d_hidden, dropout=dropout) for _ in range(4)
            )
        self.select_past = VariableSelection(len(self.of_past), d_hidden, d_context=d_context, dropout=dropout)
        self.select_ahead = VariableSelection(len(self.known), d_hidden, d_context=d_context, dropout=dropout)
        self.encoder = nn.LSTM(d_hidden, d_hidden, batch_first=True)
        self.decoder = nn.LSTM(d_hidden, d_hidden, batch_first=True)
        self.read = Gate(d_hidden, d_hidden, dropout=dropout)
        self.enrich = GatedResidual(d_hidden, d_hidden, d_hidden, d_context=d_context, dropout=dropout)
        self.attention = SharedAttention(d_hidden, n_heads=n_heads, n_steps=window.n_steps, dropout=dropout)
        self.attended = Gate(d_hidden, d_hidden, dropout=dropout)
        self.think = GatedResidual(d_hidden, d_hidden, d_hidden, dropout=dropout)
        self.thought = Gate(d_hidden, d_hidden, dropout=0.0)
        self.output = nn.Linear(d_hidden, len(window.channels) * window.n_numbers)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "b t"] | None = None,
        future: Float[Tensor, "b s k"] | None = None,
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)``, and what is known ahead, to ``(B, 1, horizon * C)``."""
        x, location, scale = self.norm(x)
        select, enrich, state = self._static(x)
        n_steps = self.window.n_steps
        at = self.positions.expand(x.shape[0], -1, -1)
        seen = [layer(x[..., column]) for layer, column in zip(self.of_past, self.past)]
        position = self.of_past[-1](at)
        behind = torch.stack([*seen, position[:, :-n_steps]], dim=-2)
        ahead = [position[:, -n_steps:]]
        if future is not None:
            widths = [len(self.past[i]) for i in self.known[:-1]]
            ahead = [self.of_past[i](part) for i, part in zip(self.known, future.split(widths, -1))] + ahead
        behind = self.select_past(behind, select)
        ahead_of = self.select_ahead(torch.stack(ahead, dim=-2), select)
        read, state = self.encoder(behind, state)
        going_on, _ = self.decoder(ahead_of, state)
        h = self.read(torch.cat([read, going_on], dim=1), torch.cat([behind, ahead_of], dim=1))
        enriched = self.enrich(h, enrich)
        attended = self.attended(self.attention(enriched), enriched[:, -n_steps:])
        out = self.output(self.thought(self.think(attended), h[:, -n_steps:]))
        return self.window.flat(self.window.placed(self.norm.by_number(out), location, scale)), None

    def _static(self, x: Tensor) -> tuple[Tensor | None, Tensor | None, tuple[Tensor, Tensor] | None]:
        """Contexts of the selection and of the enrichment ``(B, 1, d)``, and the state at which the LSTM begins."""
        if not self.static:
            return None, None, None
        columns = [layer(x[:, -1, column]) for layer, column in zip(self.of_static, self.static)]
        chosen = self.select_static(torch.stack(columns, dim=-2))
        select, enrich, hidden, cell = (context(chosen) for context in self.contexts)
        return select.unsqueeze(1), enrich.unsqueeze(1), (hidden.unsqueeze(0), cell.unsqueeze(0))


class SharedAttention(nn.Module):
    """Steps ahead ask all steps up to themselves; heads share their values, so that their weights can be averaged.

    Args:
        d: width.
        n_heads: heads.
        n_steps: the last steps, which ask.
        dropout: of the weights.
    """

    def __init__(self, d: int, *, n_heads: int, n_steps: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.n_steps = n_steps
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d)
        self.value = nn.Linear(d, d // n_heads)
        self.out = nn.Linear(d // n_heads, d, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b s d"]:
        """``(B, T, d)`` to what the last steps find, ``(B, n_steps, d)``."""
        query, key = (
            part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for part in (self.query(x[:, -self.n_steps :]), self.key(x))
        )
        score = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        steps = torch.arange(x.shape[1], device=x.device)
        later = steps > steps[-self.n_steps :].unsqueeze(1)
        weight = self.dropout(torch.softmax(score.masked_fill(later, -torch.inf), dim=-1)).mean(1)
        found: Tensor = self.out(weight @ self.value(x))
        return found

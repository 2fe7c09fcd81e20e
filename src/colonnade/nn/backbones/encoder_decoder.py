"""EncoderDecoder: one recurrence reads the past, another goes on from its state into the steps ahead."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import SeesAhead, Window
from colonnade.nn.backbones.recurrent import CELLS
from colonnade.nn.backbones.window_norm import WindowNorm
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout


class EncoderDecoder(SeesAhead):
    """Gated recurrent layers read all columns of the past; as many go on from their states, over what is known of each
    step ahead and its position; a perceptron makes each of their states the numbers of that step.

    Sutskever, Vinyals and Le, *Sequence to Sequence Learning with Neural Networks*, NeurIPS 2014; as in neuralforecast,
    forecasts are not fed back, so that no error is passed on. What is forecast is normalised by its own window.

    Args:
        layout: of an embedded step; static columns are read at every step of the past.
        window: what is looked at, and forecast.
        cell: ``"gru"`` or ``"lstm"``.
        d_hidden: width of the states.
        n_layers: of encoder and decoder each.
        d_decoder: width of the hidden layers of the perceptron.
        n_decoder: how many there are.
        dropout: between the recurrent layers.

    Raises:
        ValueError: for an argument out of range.
    """

    positions: Tensor

    def __init__(
        self,
        *,
        layout: Layout,
        window: Window,
        cell: str = "gru",
        d_hidden: int = 128,
        n_layers: int = 2,
        d_decoder: int = 128,
        n_decoder: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        one_of(CELLS, cell=cell)
        positive(d_hidden=d_hidden, n_layers=n_layers, d_decoder=d_decoder, n_decoder=n_decoder)
        fraction(dropout=dropout)
        self.window = window
        self.d_out = window.d_out
        self.norm = WindowNorm(window, layout.d_flat)
        made = CELLS[cell]
        behind = [layout.d_flat, *[d_hidden] * (n_layers - 1)]
        ahead = [1 + len(window.known), *behind[1:]]
        self.encoder = nn.ModuleList(made(width, d_hidden, batch_first=True) for width in behind)
        self.decoder = nn.ModuleList(made(width, d_hidden, batch_first=True) for width in ahead)
        self.dropout = Dropout(dropout)
        widths = [d_hidden, *[d_decoder] * n_decoder]
        self.hidden = nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)))
        self.output = nn.Linear(d_decoder, len(window.channels) * window.n_numbers)
        at = torch.linspace(0, 1, window.n_steps).unsqueeze(-1)
        self.register_buffer("positions", at, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "b t"] | None = None,
        future: Float[Tensor, "b s k"] | None = None,
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)``, and what is known ahead, to ``(B, 1, horizon * C)``."""
        x, location, scale = self.norm(x)
        h = self.positions.expand(x.shape[0], -1, -1)
        h = h if future is None else torch.cat([h, future], dim=-1)
        for i, (encoder, decoder) in enumerate(zip(self.encoder, self.decoder)):
            if i:
                x, h = self.dropout(x), self.dropout(h)
            x, state = encoder(x)
            h, _ = decoder(h, state)
        out = self.output(self.hidden(h))
        return self.window.flat(self.window.placed(self.norm.by_number(out), location, scale)), None

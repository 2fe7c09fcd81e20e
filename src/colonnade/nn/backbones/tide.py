"""TiDE: an encoder and a decoder of dense residual blocks, over each series by itself."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import SeesAhead, Window
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.reversible_norm import ReversibleNorm
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class TiDE(SeesAhead):
    """The past of a channel, and what else was at each step in a few numbers, are encoded together; the decoder gives
    some numbers for each step ahead, of which a small block that all steps share makes the forecast. A linear map of
    the past is added.

    Das et al., *Long-term Forecasting with TiDE: Time-series Dense Encoder*, TMLR 2023. All channels share the weights;
    each is normalised by its own window, as in the published runs. What is known of a step ahead goes in a few numbers
    into the encoder and beside what the decoder gives for that step; what is static goes into the encoder once.
    Departures: no norm behind the last block unless asked for; columns of the past and those known ahead are brought
    to a few numbers by blocks of their own.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        d_hidden: width of encoder and decoder.
        n_encoder: residual blocks of the encoder.
        n_decoder: residual blocks of the decoder.
        d_decoded: numbers for each step ahead.
        d_temporal: hidden width of the block that they share.
        d_covariate: numbers to which the other columns of a step are brought, and those known ahead.
        dropout: of what each block adds.
        norm_last: whether a layer norm stands behind the last block too, as in the published runs. That block gives one
            number a step, and the norm of one number is a constant: what is learned is the linear map of the past.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        window: Window,
        d_hidden: int = 256,
        n_encoder: int = 1,
        n_decoder: int = 1,
        d_decoded: int = 16,
        d_temporal: int = 64,
        d_covariate: int = 4,
        dropout: float = 0.3,
        norm_last: bool = False,
    ) -> None:
        super().__init__()
        positive(d_hidden=d_hidden, n_encoder=n_encoder, n_decoder=n_decoder, d_decoded=d_decoded)
        positive(d_temporal=d_temporal, d_covariate=d_covariate)
        fraction(dropout=dropout)
        self.window = window
        self.d_out = window.d_out
        apart = {*window.channels, *window.static}
        self.covariates = [i for i in range(layout.d_flat) if i not in apart]
        self.norm = ReversibleNorm(len(window.channels))
        d_in = window.context
        if self.covariates:
            self.project = Block(len(self.covariates), d_hidden, d_covariate, dropout=dropout)
            d_in += window.context * d_covariate
        if window.known:
            self.project_ahead = Block(len(window.known), d_hidden, d_covariate, dropout=dropout)
            d_in += window.n_steps * d_covariate
        d_in += len(window.static)
        widths = [d_in, *[d_hidden] * (n_encoder + n_decoder - 1), window.horizon * d_decoded]
        self.dense = nn.Sequential(*(Block(a, d_hidden, b, dropout=dropout) for a, b in pairwise(widths)))
        d_step = d_decoded + (d_covariate if window.known else 0)
        self.temporal = Block(d_step, d_temporal, 1, dropout=dropout, norm=norm_last)
        self.skip = nn.Linear(window.context, window.levels)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "b t"] | None = None,
        future: Float[Tensor, "b s k"] | None = None,
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)``, and what is known ahead, to ``(B, 1, horizon * C)``."""
        past, location, scale = self.norm(self.window.past(x))
        beside = [x[:, -1, list(self.window.static)]] if self.window.static else []
        if self.covariates:
            beside.append(self.project(x[..., self.covariates]).flatten(1))
        ahead = None if future is None else self.project_ahead(future)
        if ahead is not None:
            beside.append(ahead.flatten(1))
        told = (torch.cat(beside, dim=-1).unsqueeze(1).expand(-1, past.shape[1], -1),) if beside else ()
        decoded = self.dense(torch.cat([past, *told], dim=-1)).unflatten(-1, (self.window.horizon, -1))
        if ahead is not None:
            # Of several numbers of a step, each has what is known of that step.
            of_step = ahead.repeat(1, self.window.n_numbers, 1).unsqueeze(1).expand(-1, past.shape[1], -1, -1)
            decoded = torch.cat([decoded, of_step], dim=-1)
        # The past is added to levels alone: a deviation that is linear in it would explode or vanish.
        skipped = F.pad(self.skip(past), (0, self.window.horizon - self.window.levels))
        found = self.temporal(decoded).squeeze(-1) + skipped
        return self.window.flat(self.window.placed(found, location, scale)), None


class Block(nn.Module):
    """``norm(skip(x) + dropout(output(relu(hidden(x)))))``.

    Args:
        d_in, d_hidden, d_out: widths.
        dropout: of what is added to the skip.
        norm: whether a layer norm stands behind it.
    """

    def __init__(self, d_in: int, d_hidden: int, d_out: int, *, dropout: float, norm: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(d_in, d_hidden)
        self.output = nn.Linear(d_hidden, d_out)
        self.skip = nn.Linear(d_in, d_out)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(d_out) if norm else nn.Identity()

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch e"]:
        """``(*, d_in)`` to ``(*, d_out)``."""
        out: Tensor = self.norm(self.skip(x) + self.dropout(self.output(torch.relu(self.hidden(x)))))
        return out

"""Recurrent networks: GRU and LSTM."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.pooling import POOLINGS, AttentionPool, last_step, mean_of_steps, turned
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(SequenceBackbone):
    """Layers of gated recurrent units, and a pooling of the steps of the last.

    Cho et al., *Learning Phrase Representations using RNN Encoder-Decoder*, EMNLP 2014 (GRU); Hochreiter and
    Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997.

    The backward direction begins at the last valid step of each sequence.

    Args:
        layout: of an embedded step.
        cell: ``"gru"`` or ``"lstm"``.
        d_hidden: width of the state in each direction.
        n_layers: layers.
        bidirectional: whether a second set of units reads from the end.
        dropout: dropout between layers, and of the representation.
        pooling: ``"attention"`` (see :class:`~colonnade.nn.blocks.pooling.AttentionPool`), ``"mean"``, or ``"last"``:
            the last step, with the first one of the backward direction.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        cell: str = "gru",
        d_hidden: int = 128,
        n_layers: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.1,
        pooling: str = "attention",
    ) -> None:
        super().__init__()
        one_of(CELLS, cell=cell)
        one_of(POOLINGS, pooling=pooling)
        positive(d_hidden=d_hidden, n_layers=n_layers)
        fraction(dropout=dropout)
        self.pooling = pooling
        self.bidirectional = bidirectional
        self.d_out = d_hidden * (1 + bidirectional)
        widths = [layout.d_flat] + [self.d_out] * (n_layers - 1)
        self.ahead = nn.ModuleList(CELLS[cell](width, d_hidden, batch_first=True) for width in widths)
        self.back = nn.ModuleList(
            CELLS[cell](width, d_hidden, batch_first=True) for width in (widths if bidirectional else ())
        )
        self.dropout = Dropout(dropout)
        self.pool = AttentionPool(self.d_out) if pooling == "attention" else None

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, T, d_flat)`` to ``(B, 1, d_out)``."""
        for i, ahead in enumerate(self.ahead):
            if i:
                x = self.dropout(x)
            states: Tensor = ahead(x)[0]
            if self.bidirectional:
                backward: Tensor = turned(self.back[i](turned(x, mask))[0], mask)
                states = torch.cat([states, backward], dim=-1)
            x = states
        return self.dropout(self.pooled(x, mask)).unsqueeze(1), None

    def pooled(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d"]:
        """One state of those behind each step, ``(B, T, d_out)`` to ``(B, d_out)``."""
        if self.pool is not None:
            pooled: Tensor = self.pool(x, mask)
            return pooled
        if self.pooling == "mean":
            return mean_of_steps(x, mask)
        last = last_step(x, mask)
        if not self.bidirectional:
            return last
        half = self.d_out // 2
        return torch.cat([last[:, :half], x[:, 0, half:]], dim=-1)

"""DCNv2: products of columns, learned explicitly, beside a perceptron."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout


class CrossLayer(nn.Module):
    """``x + x0 * linear(x)``: one degree more of products with the input ``x0``.

    Args:
        d: width.
        dropout: dropout of what the layer adds.
    """

    def __init__(self, d: int, *, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(d, d)
        self.dropout = Dropout(dropout)

    def forward(self, x0: Float[Tensor, "b d"], x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """``(B, d)`` and ``(B, d)`` to ``(B, d)``."""
        return x + self.dropout(x0 * self.linear(x))


class DCNv2(Backbone):
    """Cross layers and hidden layers over a projected row, side by side or one after the other.

    Wang et al., *DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank Systems*,
    WWW 2021; with the projection of Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, NeurIPS 2021,
    so that a cross layer costs ``d_block ** 2`` whatever the number of columns.

    Args:
        layout: of the embedded row.
        d_block: width of the projected row and of all layers.
        n_cross: cross layers; outputs are polynomials of degree ``n_cross + 1`` in the projected row.
        n_hidden: hidden layers (linear, ReLU, dropout).
        cross_dropout: dropout of what a cross layer adds.
        hidden_dropout: dropout of a hidden layer.
        structure: ``"parallel"``: both parts see the projected row; ``"stacked"``: the hidden layers follow the cross
            layers.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 512,
        n_cross: int = 3,
        n_hidden: int = 2,
        cross_dropout: float = 0.1,
        hidden_dropout: float = 0.1,
        structure: str = "parallel",
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_cross=n_cross, n_hidden=n_hidden)
        fraction(cross_dropout=cross_dropout, hidden_dropout=hidden_dropout)
        one_of(("parallel", "stacked"), structure=structure)
        self.is_stacked = structure == "stacked"
        self.d_out = d_block if self.is_stacked else 2 * d_block
        self.input = nn.Linear(layout.d_flat, d_block)
        self.cross = nn.ModuleList(CrossLayer(d_block, dropout=cross_dropout) for _ in range(n_cross))
        hidden: list[nn.Module] = []
        for _ in range(n_hidden):
            hidden += [nn.Linear(d_block, d_block), nn.ReLU(inplace=True), Dropout(hidden_dropout)]
        self.hidden = nn.Sequential(*hidden)

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_out)``: ``d_block`` wide if stacked, else twice that."""
        x0 = x = self.input(x)
        for layer in self.cross:
            x = layer(x0, x)
        x = self.hidden(x) if self.is_stacked else torch.cat([x, self.hidden(x0)], dim=1)
        return x.unsqueeze(1), None

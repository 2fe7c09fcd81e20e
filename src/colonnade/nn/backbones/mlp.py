"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.activation import activation as make_activation
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class MLP(Backbone):
    """Linear, activation, dropout, as often as there are hidden widths.

    Args:
        layout: of the embedded row.
        d_hidden: widths of the hidden layers.
        dropout: dropout after each activation.
        activation: see :func:`~colonnade.nn.blocks.activation.activation`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_hidden: Sequence[int] = (384, 384),
        dropout: float = 0.1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        fraction(dropout=dropout)
        if not d_hidden:
            raise ValueError("d_hidden=[] is empty: expected at least one width; for none, use the linear model")
        for width in d_hidden:
            positive(d_hidden=width)
        layers: list[nn.Module] = []
        for d_in, d_out in zip((layout.d_flat, *d_hidden), d_hidden):
            layers += [nn.Linear(d_in, d_out), make_activation(activation), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.d_out = d_hidden[-1]

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_hidden[-1])``."""
        return self.layers(x).unsqueeze(1), None

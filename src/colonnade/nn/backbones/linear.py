"""The linear model: the head does all."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.layout import Layout


class Linear(Backbone):
    """Hands the embedded row to the head: logistic, softmax or linear regression.

    Args:
        layout: of the embedded row.
    """

    def __init__(self, *, layout: Layout) -> None:
        super().__init__()
        self.d_out = layout.d_flat

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 d"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_flat)``."""
        return x.unsqueeze(1), None

"""A trained factor for each dimension of the input."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import positive
from colonnade.nn.pace import Pace, Paced


class FeatureScale(Paced):
    """Multiplies each dimension by a number that begins at one and learns fast: a soft choice of features.

    The front scale of RealMLP (Holzmüller et al., NeurIPS 2024).

    Args:
        d: dimensions.
        lr_factor: of the learning rate; it stands in the decay a second time, as in the published code.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d: int, *, lr_factor: float = 6.0) -> None:
        super().__init__()
        positive(d=d, lr_factor=lr_factor)
        self.lr_factor = lr_factor
        self.weight = nn.Parameter(torch.ones(d))

    def paces(self) -> dict[str, Pace]:
        """It learns and decays fast."""
        return {"weight": Pace(lr=self.lr_factor, decay=self.lr_factor)}

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """``(*, d)`` to the same."""
        return x * self.weight.to(x.dtype)

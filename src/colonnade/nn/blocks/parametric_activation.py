"""An activation with a trained strength for each dimension."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.blocks.activation import activation as make_activation
from colonnade.nn.checks import positive
from colonnade.nn.pace import Pace, Paced


class ParametricActivation(Paced):
    """``x + strength * (f(x) - x)``: the activation itself at first, the identity where the strength falls to zero.

    Holzmüller et al., RealMLP, NeurIPS 2024.

    Args:
        d: dimensions.
        activation: see :func:`~colonnade.nn.blocks.activation.activation`.
        lr_factor: of the learning rate; it stands in the decay a second time, as in the published code.

    Raises:
        ValueError: for an argument out of range, or an unknown activation.
    """

    def __init__(self, d: int, *, activation: str, lr_factor: float = 0.1) -> None:
        super().__init__()
        positive(d=d, lr_factor=lr_factor)
        self.lr_factor = lr_factor
        self.function = make_activation(activation, keep_input=True)
        self.strength = nn.Parameter(torch.ones(d))

    def paces(self) -> dict[str, Pace]:
        """The strength learns slowly."""
        return {"strength": Pace(lr=self.lr_factor, decay=self.lr_factor)}

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """``(*, d)`` to the same."""
        return torch.lerp(x, self.function(x), self.strength.to(x.dtype))

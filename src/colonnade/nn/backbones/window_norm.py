"""WindowNorm: what is forecast normalised by its own window, beside columns that stay as they are."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.blocks.reversible_norm import ReversibleNorm


class WindowNorm(nn.Module):
    """:class:`~colonnade.nn.blocks.reversible_norm.ReversibleNorm` of the channels that are forecast, in place.

    Args:
        window: which these are.
        d_flat: width of an embedded step.
    """

    places: Tensor

    def __init__(self, window: Window, d_flat: int) -> None:
        super().__init__()
        self.window = window
        self.norm = ReversibleNorm()
        self.order = [sorted(window.channels).index(channel) for channel in window.channels]
        places = torch.zeros(len(window.channels), d_flat)
        places[range(len(window.channels)), list(window.channels)] = 1
        self.register_buffer("places", places, persistent=False)

    def forward(
        self, x: Float[Tensor, "b t d"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b c 1"], Float[Tensor, "b c 1"]]:
        """``(B, T, d_flat)`` with these channels normalised, and what brings them back, ``(B, C, 1)`` each."""
        _, location, scale = self.norm(self.window.past(x))
        level, unit = ((of.squeeze(-1) @ self.places).unsqueeze(1) for of in (location, scale))
        return (x - level) / (unit + 1 - self.places.sum(0)), location, scale

    def by_number(self, out: Float[Tensor, "b s o"]) -> Float[Tensor, "b c h"]:
        """Outputs of each step ahead, all numbers of a channel together, channels as they stand in a step, to forecasts
        of the channels in the order in which they are asked for."""
        found = out.unflatten(-1, (len(self.order), -1)).permute(0, 2, 3, 1).flatten(-2)
        return found[:, self.order]

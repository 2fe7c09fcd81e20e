"""NLinear: a linear map of the past, of which the last value is taken off and put back."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.steady import Steady
from colonnade.nn.layout import Layout


class NLinear(ForecastBackbone):
    """``last + linear(past - last)``, one map for all channels. What is no level of a forecast distribution does not
    depend on the past, see :class:`~colonnade.nn.blocks.steady.Steady`.

    Zeng et al., *Are Transformers Effective for Time Series Forecasting?*, AAAI 2023.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
    """

    def __init__(self, *, layout: Layout, window: Window) -> None:
        super().__init__()
        self.window = window
        self.d_out = window.d_out
        self.linear = nn.Linear(window.context, window.levels)
        self.steady = Steady(window.horizon - window.levels)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        past = self.window.past(x)
        last = past[..., -1:]
        ahead = self.steady(self.linear(past - last))
        return self.window.flat(self.window.placed(ahead, last)), None

"""DLinear: two linear maps, of a moving average of the past and of the rest."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.steady import Steady
from colonnade.nn.checks import positive
from colonnade.nn.layout import Layout


class DLinear(ForecastBackbone):
    """``linear(trend) + linear(past - trend)``, the same maps for all channels. What is no level of a forecast
    distribution does not depend on the past, see :class:`~colonnade.nn.blocks.steady.Steady`.

    Zeng et al., *Are Transformers Effective for Time Series Forecasting?*, AAAI 2023.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        kernel: steps of the moving average, an odd number; beyond both ends stand the first and the last value.

    Raises:
        ValueError: ``kernel`` is even, or not above 0.
    """

    def __init__(self, *, layout: Layout, window: Window, kernel: int = 25) -> None:
        super().__init__()
        positive(kernel=kernel)
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} is even: expected an odd number, which has a middle")
        self.window = window
        self.d_out = window.d_out
        self.kernel = kernel
        self.trend = nn.Linear(window.context, window.levels)
        self.rest = nn.Linear(window.context, window.levels)
        self.steady = Steady(window.horizon - window.levels)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        past = self.window.past(x)
        trend = self.averaged(past)
        return self.window.flat(self.steady(self.trend(trend) + self.rest(past - trend))), None

    def averaged(self, past: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """The moving average ``(B, C, T)``."""
        half = self.kernel // 2
        return F.avg_pool1d(F.pad(past, (half, half), mode="replicate"), self.kernel, stride=1)

"""Quantile forecasts: several quantiles of each of the next steps."""

from collections.abc import Sequence
from typing import Literal

from colonnade.tasks.forecast import ForecastTask, of_quantiles
from colonnade.tasks.quantile import Quantile


class ForecastQuantile(ForecastTask, Quantile):
    """Quantiles of the values of ``data.target`` at each of the next ``data.horizon`` steps.

    Learned by the pinball loss; quantiles of a step never cross, see :class:`~colonnade.tasks.quantile.Quantile`. The
    prediction is the median, and the measures of a single value are of that.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        quantiles: increasing levels in ``(0, 1)``, with the median 0.5 among them.

    Raises:
        ValueError: quantiles out of range, out of order, or without the median.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    def __init__(
        self,
        *,
        name: str = "forecast_quantile",
        monitor: str = "val/pinball_loss",
        mode: Literal["min", "max"] = "min",
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    ) -> None:
        super().__init__(name=name, quantiles=quantiles)
        self._watch(monitor, mode, of_quantiles(self.quantiles))

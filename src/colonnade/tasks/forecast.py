"""Forecasting: the next steps of one or several values."""

from collections.abc import Collection, Mapping
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.tasks.measures import values
from colonnade.tasks.measures.rows import Measure, Rows, rows_that_count
from colonnade.tasks.regression import Regression

MEASURES = {"mse": Measure(values.mse, "min"), "mae": Measure(values.mae, "min")}


class Forecast(Regression):
    """The values of ``data.target`` at each of the next ``data.horizon`` steps.

    A window is a row, and its targets are the values of the first step ahead, then of the second, ... Loss and measures
    are in standard deviations of the train steps (z-units), so that values of different units weigh the same, as the
    published protocols have it; predictions are in the units of the data. Measures are means over windows, steps and
    values; with several values ``mse/<name>`` is that of one.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        loss, huber_delta: see :class:`~colonnade.tasks.regression.Regression`.

    Raises:
        ValueError: an option out of its range.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    def __init__(
        self,
        *,
        name: str = "forecast",
        monitor: str = "val/mse",
        mode: Literal["min", "max"] = "min",
        loss: str = "mse",
        huber_delta: float = 1.0,
    ) -> None:
        super().__init__(name=name, monitor=monitor, mode=mode, loss=loss, huber_delta=huber_delta)
        self.measures = dict(MEASURES)
        self._check_monitor(known_targets=None)

    def setup(self, spec: BatchSpec) -> None:
        """See the base class; there must be steps to forecast.

        Raises:
            ConfigError: ``data`` says of no horizon.
        """
        if spec.horizon is None:
            raise ConfigError(
                f"task={self.name} forecasts series, and `data` gives none to be forecast: set data.horizon and "
                "data.context, or choose another task"
            )
        super().setup(spec)

    def measured(
        self,
        prediction: Mapping[str, Tensor],
        truth: Shaped[Tensor, "n *rest"],
        weight: Float[Tensor, "n"] | None,
        names: Collection[str] | None = None,
    ) -> dict[str, float]:
        """See the base class."""
        n_values = len(self.spec.channels)
        with torch.no_grad():
            rows = rows_that_count(prediction, truth, weight)
            steps = self._steps(rows, n_values)
            found: dict[str, float] = {}
            for name, measure in self.measures.items():
                if names is not None and name not in names:
                    continue
                of_values = measure.function(steps).tolist() if len(rows.target) else [float("nan")] * n_values
                found[name] = sum(of_values) / n_values
                if n_values > 1:
                    found |= {f"{name}/{value}": v for value, v in zip(self._names(), of_values)}
        return found

    def _steps(self, rows: Rows, n_values: int) -> Rows:
        """A row for each step ahead of each window, in z-units."""
        scale = torch.tensor(self.spec.target_scale, dtype=torch.float64, device=rows.target.device)
        horizon = len(scale) // n_values
        return Rows(
            prediction={"value": (rows.prediction["value"] / scale).reshape(-1, n_values)},
            target=(rows.target / scale).reshape(-1, n_values),
            weight=None if rows.weight is None else rows.weight.repeat_interleave(horizon),
        )

    def _names(self) -> list[str]:
        """Names of the values, without the step."""
        return [name.rpartition("+")[0] for name in self.spec.target_names[: len(self.spec.channels)]]

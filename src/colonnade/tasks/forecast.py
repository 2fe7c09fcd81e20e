"""Forecasting: the next steps of one or several values."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import ValueTask
from colonnade.tasks.measures import steps
from colonnade.tasks.measures.rows import Measure, rows_that_count
from colonnade.tasks.measures.steps import Steps
from colonnade.tasks.quantile import intervals
from colonnade.tasks.regression import Regression

MEASURES = {
    "mse": Measure(steps.mse, "min"),
    "mae": Measure(steps.mae, "min"),
    "rmse": Measure(steps.rmse, "min", cheap=False),
    "mase": Measure(steps.mase, "min", cheap=False),
    "smape": Measure(steps.smape, "min", cheap=False),
}
"""Of a single value for each step; their functions take :class:`~colonnade.tasks.measures.steps.Steps`."""


class ForecastTask(ValueTask):
    """What forecasts have in common.

    A window is a row, and its targets are the values of the first step ahead, then of the second, ... Measures are
    means over windows, steps and values; with several values ``mse/<name>`` is that of one. Values that are missing are
    NaN, and count neither in the loss nor in a measure.
    """

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

    def row_loss(self, raw: Float[Tensor, "b m t *p"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b"]:
        """Loss of each window, averaged over the targets that are there: a missing one is NaN."""
        if not self.spec.gaps:
            return super().row_loss(raw, target)
        there = ~target.isnan()
        losses = self.losses(raw, target.nan_to_num()).transpose(1, 2).flatten(2).mean(2)
        return torch.where(there, losses, 0.0).sum(1) / there.sum(1).clamp_min(1)

    def _watch(self, monitor: str, mode: Literal["min", "max"], measures: Mapping[str, Measure]) -> None:
        """Take measures of steps, in place of those of the task that this one is a kind of."""
        self.monitor, self.mode, self.measures = monitor, mode, dict(measures)
        self._check_monitor(known_targets=None)

    def measured(
        self,
        prediction: Mapping[str, Tensor],
        truth: Shaped[Tensor, "n *rest"],
        weight: Float[Tensor, "n"] | None,
        names: Collection[str] | None = None,
    ) -> dict[str, float]:
        """See the base class."""
        n_values = len(self.spec.channels)
        found: dict[str, float] = {}
        for name, of_values in self._measured(prediction, truth, weight, n_values, names).items():
            found[name] = sum(of_values.tolist()) / n_values
            if n_values > 1:
                found |= {f"{name}/{value}": v for value, v in zip(self.values, of_values.tolist())}
        return found

    def by_step(
        self, prediction: Mapping[str, Tensor], truth: Float[Tensor, "n t"]
    ) -> dict[str, Float[Tensor, "horizon c"]]:
        """Every measure of each step ahead and value, float64.

        Args:
            prediction, truth: see :meth:`measured`.
        """
        found = self._measured(prediction, truth, None, len(self.spec.target_names), None)
        return {name: of_steps.unflatten(0, (-1, len(self.spec.channels))) for name, of_steps in found.items()}

    def of_series(
        self, prediction: Mapping[str, Tensor], truth: Float[Tensor, "n t"], naive: Float[Tensor, "s c"]
    ) -> dict[str, Float[Tensor, "s c"]]:
        """Every measure of each value, float64, over the windows of each series.

        Args:
            prediction, truth: see :meth:`measured`; of ``S`` series with as many windows, one series after the other.
            naive: mean absolute difference of the train steps of each to those a season before.
        """
        series, values = naive.shape

        def columns(x: Tensor) -> Tensor:
            """``(S * n, horizon * C, ...)`` to a column for each series and value, ``(n * horizon, S * C, ...)``."""
            apart = x.unflatten(1, (-1, values)).unflatten(0, (series, -1))
            return apart.movedim(0, 2).flatten(2, 3).flatten(0, 1)

        with torch.no_grad():
            target = columns(truth)
            told = {key: columns(prediction[key]) for key in ("value", "quantile") if key in prediction}
            scale = target.new_tensor(self.spec.target_scale[:values], dtype=torch.float64).repeat(series)
            counted = Steps(told, target, None, scale=scale, naive=naive.flatten().to(scale))
            found = _of_columns(counted, self.measures)
        return {name: of_columns.unflatten(0, (series, values)) for name, of_columns in found.items()}

    @property
    def values(self) -> list[str]:
        """Names of what is forecast, without the step."""
        return [name.rpartition("+")[0] for name in self.spec.target_names[: len(self.spec.channels)]]

    def _measured(
        self,
        prediction: Mapping[str, Tensor],
        truth: Tensor,
        weight: Tensor | None,
        width: int,
        names: Collection[str] | None,
    ) -> dict[str, Tensor]:
        """Measures by name, ``(width,)`` each: as many columns are told apart."""
        with torch.no_grad():
            rows = rows_that_count(prediction, truth, weight)
            per_row = rows.target.shape[1] // width
            told = {key: rows.prediction[key] for key in ("value", "quantile") if key in rows.prediction}
            scale = rows.target.new_tensor(self.spec.target_scale[:width], dtype=torch.float64)
            known = self.spec.naive_error or (torch.nan,) * width
            counted = Steps(
                prediction={key: value.reshape(-1, width, *value.shape[2:]) for key, value in told.items()},
                target=rows.target.reshape(-1, width),
                weight=None if rows.weight is None else rows.weight.repeat_interleave(per_row),
                scale=scale,
                naive=rows.target.new_tensor(known[:width], dtype=torch.float64),
            )
            chosen = {name: m for name, m in self.measures.items() if names is None or name in names}
            if not len(rows.target):
                return {name: scale.new_full((width,), torch.nan) for name in chosen}
            return _of_columns(counted, chosen)


def _of_columns(steps: Steps, measures: Mapping[str, Measure]) -> dict[str, Tensor]:
    """Measures of all columns, ``(T,)`` each; a column in which something is missing is measured by itself."""
    gaps = steps.target.isnan().any(0)
    if not gaps.any():
        return {name: m.function(steps) for name, m in measures.items()}
    found = {name: steps.scale.new_empty(len(gaps)) for name in measures}
    whole = ~gaps
    if whole.any():
        present = Steps(
            prediction={name: values[:, whole] for name, values in steps.prediction.items()},
            target=steps.target[:, whole],
            weight=steps.weight,
            scale=steps.scale[whole],
            naive=steps.naive[whole],
        )
        for name, m in measures.items():
            found[name][whole] = m.function(present)
    for column in gaps.nonzero().flatten().tolist():
        for name, value in _of_column(steps, column, measures).items():
            found[name][column] = value[0]
    return found


def _of_column(steps: Steps, column: int, measures: Mapping[str, Measure]) -> dict[str, Tensor]:
    """Measures of one column, ``(1,)`` each, over the rows in which it is there; NaN where it never is."""
    there = ~steps.target[:, column].isnan()
    if not there.any():
        return {name: steps.scale.new_full((1,), torch.nan) for name in measures}
    one = slice(column, column + 1)
    present = Steps(
        prediction={name: values[there, one] for name, values in steps.prediction.items()},
        target=steps.target[there, one],
        weight=None if steps.weight is None else steps.weight[there],
        scale=steps.scale[one],
        naive=steps.naive[one],
    )
    return {name: m.function(present) for name, m in measures.items()}


class Forecast(ForecastTask, Regression):
    """The values of ``data.target`` at each of the next ``data.horizon`` steps.

    Loss and errors are in standard deviations of the train steps (z-units), so that values of different units weigh the
    same, as the published protocols have it; predictions are in the units of the data.

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
        super().__init__(name=name, loss=loss, huber_delta=huber_delta)
        self._watch(monitor, mode, MEASURES)


def of_quantiles(quantiles: tuple[float, ...]) -> dict[str, Measure]:
    """The measures of a forecast that has quantiles.

    Args:
        quantiles: increasing levels.
    """
    found = {
        "pinball_loss": Measure(partial(steps.pinball_loss, quantiles=quantiles), "min"),
        "wql": Measure(partial(steps.wql, quantiles=quantiles), "min", cheap=False),
    }
    for low, high, level in intervals(quantiles):
        for name, function in (("coverage", steps.coverage), ("width", steps.width)):
            measure = Measure(partial(function, low=low, high=high), None, cheap=False)
            found[f"{name}/{level:g}"] = measure
    return found | MEASURES

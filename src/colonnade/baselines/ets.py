"""ETS: exponential smoothing by the models of statsmodels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Job
from colonnade.baselines.seasonal import above, seasonal_pattern
from colonnade.baselines.series import SeriesBaseline, long_enough, spread
from colonnade.core.errors import ConfigError
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.loop import loop

TRENDS = ("none", "add", "damped")
SEASONS = ("none", "add", "mul")
AUTO = "auto"
TINY = 1e-12
# Steps from whose line a level begins.
LINE = 10
# Steps that a loop goes through at a time, at least: whole seasons.
ROUND = 8
# Series on which parameters are estimated, evenly chosen.
SERIES = 100


# Level and trend ``(B, C)``, and the season of each phase ``(B, C, period)``.
States = tuple[Tensor, Tensor, Tensor]


class Form(NamedTuple):
    """A member of the family: which trend it has, and which season."""

    trend: str
    seasonal: str


class ETS(SeriesBaseline):
    """Level, trend and season, each an exponentially weighted mean of what was; errors are additive.

    Hyndman, Koehler, Ord and Snyder, *Forecasting with Exponential Smoothing*, 2008.

    Form and smoothing parameters of each value are those that statsmodels finds by maximum likelihood on the train
    steps: the form of the smallest AICc, summed over the series, and the median of the parameters over the series. They
    stay as they are. Of each window the states are those that the recursion reaches at its end, beginning with the
    heuristic of the same authors (``initialization_method="heuristic"`` of statsmodels) on its first seasons: so a
    forecast sees what all models see, ``data.context`` steps, and a new series can be forecast.

    Args:
        spec: of the data, with ``horizon``.
        period: steps of a season; None: ``data.season``.
        trend: ``none``, ``add``, ``damped``, or ``auto``: the best of them.
        seasonal: ``none``, ``add``, ``mul`` (values above 0 only), or ``auto``: the best that can be had.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: ``data.context`` is shorter than 10 steps or, with a season, than two of them.
    """

    def __init__(self, *, spec: BatchSpec, period: int | None = None, trend: str = AUTO, seasonal: str = AUTO) -> None:
        super().__init__(spec=spec, period=period)
        for key, value, known in (("trend", trend, TRENDS), ("seasonal", seasonal, SEASONS)):
            if value not in (*known, AUTO):
                raise ValueError(f"{key}={value} must be one of {', '.join((*known, AUTO))}")
        if self.period == 1 and seasonal not in ("none", AUTO):
            raise ValueError(f"seasonal={seasonal} needs a season: model.period, or data.season")
        seasons = ("none",) if self.period == 1 else SEASONS if seasonal == AUTO else (seasonal,)
        self.forms = [Form(*form) for form in product(TRENDS if trend == AUTO else (trend,), seasons)]
        self.least = LINE if seasons == ("none",) else max(2 * self.period, LINE + 2 * (self.period // 2))
        if self.context < self.least:
            raise ConfigError(
                f"ets begins its states with {self.least} steps (two seasons of model.period={self.period}), and "
                f"data.context={self.context} is less: a longer context, or model.seasonal=none"
            )
        self.round = self.period * -(-ROUND // self.period)
        # Level, trend, damping, season; and whether there is a trend, a season, one that multiplies.
        self.register_buffer("smoothing", torch.empty(0))
        self.register_buffer("form", torch.empty(0))

    def learn(self, series: Sequence[np.ndarray], job: Job) -> int:
        """See the base class.

        Raises:
            MissingExtraError: statsmodels is not installed.
            DataError: all series are too short.
        """
        model = optional_import("statsmodels.tsa.exponential_smoothing.ets", "forecast").ETSModel
        long = long_enough(series, self.least, "ets")
        chosen = spread(long, SERIES)
        best = [self._best(model, [values[:, c] for values in chosen]) for c in range(chosen[0].shape[1])]
        self.keep(
            smoothing=np.stack([parameters for _, parameters in best]),
            form=np.array([[f.trend != "none", f.seasonal != "none", f.seasonal == "mul"] for f, _ in best]),
        )
        return 4 * len(best)

    def ahead(self, past: Tensor) -> Tensor:
        """See the base class; one step after the other."""
        scale, mean = self.target_scale.to(past.device), self.target_mean.to(past.device)
        y = (past.to(torch.float64) * scale + mean).transpose(1, 2)
        level, trend, season = self._reached(y, *self._begin(y))
        growth = (self.smoothing[:, 2, None] ** torch.arange(1, self.horizon + 1, device=y.device)).cumsum(1)  # type: ignore[index]
        values = level.unsqueeze(-1) + growth * trend.unsqueeze(-1)
        s = season[..., [(self.context + h) % self.period for h in range(self.horizon)]]
        ahead = torch.where(self.form[:, 2, None], values * s, values + s)  # type: ignore[index]
        return (ahead.transpose(1, 2) - mean) / scale

    def _reached(self, y: Tensor, level: Tensor, trend: Tensor, season: Tensor) -> States:
        """The states behind the last of the steps ``(B, C, T)``."""
        whole = self.context - self.context % self.round
        state = (level, trend, season)
        rounds = y[..., :whole].unflatten(-1, (-1, self.round)).movedim(2, 0)
        if torch.compiler.is_exporting() and len(rounds) > 1:

            def after(state: States, steps: Tensor) -> tuple[States, Tensor]:
                return self._after(steps, *state), steps[..., 0].clone()

            state, _ = loop(after, tuple(part.contiguous() for part in state), rounds.contiguous())
        else:
            for steps in rounds:
                state = self._after(steps, *state)
        return self._after(y[..., whole:], *state)

    def _after(self, y: Tensor, level: Tensor, trend: Tensor, season: Tensor) -> States:
        """The states behind the steps of a round, or of its beginning."""
        alpha, beta, damping, gamma = self.smoothing.unbind(1)  # type: ignore[operator]
        multiplies = self.form[:, 2]  # type: ignore[index]
        # As statsmodels has it, a season that multiplies is what the new level leaves over.
        share = gamma / (1 - alpha).clamp_min(TINY)
        seasons = list(season.unbind(-1))
        for t, value in enumerate(y.unbind(-1)):
            s = seasons[t % self.period]
            before = level + damping * trend
            error = value - torch.where(multiplies, before * s, before + s)
            step = torch.where(multiplies, error / above(s), error)
            level, trend = before + alpha * step, damping * trend + beta * step
            new = torch.where(multiplies, share * (value / above(level) - s), gamma * error)
            seasons[t % self.period] = s + new
        return level, trend, torch.stack(seasons, dim=-1)

    def _begin(self, y: Tensor) -> States:
        """Those before the first step."""
        has_trend, has_season, multiplies = (self.form[:, i, None] for i in range(3))  # type: ignore[index]
        smooth = y[..., :LINE]
        season = torch.where(multiplies, 1.0, 0.0).to(y).expand(*y.shape[:2], self.period)
        if self.least > LINE:
            cycles = max(min(5, self.context // self.period), -(-self.least // self.period))
            pattern, average = seasonal_pattern(y[..., : cycles * self.period], self.period, multiplies)
            smooth = torch.where(has_season, average[..., :LINE], smooth)
            season = torch.where(has_season, pattern, season)
        line = np.stack([np.ones(LINE), np.arange(1.0, LINE + 1)], axis=1)
        level, trend = (smooth @ torch.from_numpy(np.linalg.pinv(line).T.copy()).to(y)).unbind(-1)
        return level, trend * has_trend[:, 0], season

    def _best(self, model: Any, series: list[np.ndarray]) -> tuple[Form, np.ndarray]:
        """The best form of one value, and its parameters ``(4,)``."""
        positive = all((values > 0).all() for values in series)
        forms = [form for form in self.forms if positive or form.seasonal != "mul"]
        if not forms:
            raise ConfigError("model.seasonal=mul multiplies, and not all train steps are above 0: model.seasonal=add")
        found = {form: [self._fitted(model, values, form) for values in series] for form in forms}
        best = min(forms, key=lambda form: sum(criterion for criterion, _ in found[form]))
        return best, np.median([parameters for _, parameters in found[best]], axis=0)

    def _fitted(self, model: Any, values: np.ndarray, form: Form) -> tuple[float, np.ndarray]:
        """AICc, and parameters of level, trend, damping and season."""
        seasonal = None if form.seasonal == "none" else form.seasonal
        asked = model(
            values,
            error="add",
            trend=None if form.trend == "none" else "add",
            damped_trend=form.trend == "damped",
            seasonal=seasonal,
            seasonal_periods=self.period if seasonal else None,
            initialization_method="heuristic",
        )
        with warnings.catch_warnings():
            # Where the search stops is good enough for the comparison.
            warnings.simplefilter("ignore")
            result = asked.fit(disp=False)
        named = dict(zip(asked.param_names, result.params))
        defaults = {"smoothing_trend": 0.0, "damping_trend": 1.0, "smoothing_seasonal": 0.0}
        named = {**defaults, **named}
        keys = ("smoothing_level", "smoothing_trend", "damping_trend", "smoothing_seasonal")
        return float(result.aicc), np.array([named[key] for key in keys])

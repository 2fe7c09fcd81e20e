"""ETS and theta: fitted as statsmodels fits them, and the same forecasts from the same parameters."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.seasonal import seasonal_decompose

from colonnade.baselines.base import Job
from colonnade.baselines.ets import ETS, Form
from colonnade.baselines.seasonal import seasonal_pattern
from colonnade.baselines.theta import Theta
from colonnade.core.errors import ConfigError, DataError
from colonnade.core.spec import BatchSpec

PERIOD, CONTEXT, HORIZON = 6, 33, 9
MEAN, SCALE = 50.0, 20.0


def spec_of(**more):
    known = {
        "target_names": tuple(f"a+{step}" for step in range(1, HORIZON + 1)),
        "target_mean": (MEAN,) * HORIZON,
        "target_scale": (SCALE,) * HORIZON,
        "out_shape": (HORIZON,),
        "n_steps": CONTEXT,
        "horizon": HORIZON,
        "channels": (0,),
        "season": PERIOD,
    }
    return BatchSpec(num_names=("a",), cat_names=(), cardinalities=(), target_kind="real", **{**known, **more})


def series(n=120, seed=0):
    """A season that grows with the level, ``(n,)``, above 0."""
    rng = np.random.default_rng(seed)
    level = 40 + 0.4 * np.arange(n) + rng.normal(size=n).cumsum()
    return level * (1 + 0.2 * np.sin(np.arange(n) / PERIOD * 2 * np.pi)) + rng.normal(size=n)


def forecast(model, values):
    """Of the first steps, in the units of the data."""
    past = torch.from_numpy((values[:CONTEXT] - MEAN) / SCALE)[None, :, None]
    return model.ahead(past)[0, :, 0].numpy() * SCALE + MEAN


@pytest.mark.parametrize("trend", ["none", "add", "damped"])
@pytest.mark.parametrize("seasonal", ["none", "add", "mul"])
def test_ets_forecasts_as_statsmodels_does(trend, seasonal):
    values = series()
    model = ETS(spec=spec_of(), trend=trend, seasonal=seasonal)
    model.learn([values[:, None]], Job())
    settings = {
        "error": "add",
        "trend": None if trend == "none" else "add",
        "damped_trend": trend == "damped",
        "seasonal": None if seasonal == "none" else seasonal,
        "seasonal_periods": None if seasonal == "none" else PERIOD,
        "initialization_method": "heuristic",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = ETSModel(values, **settings).fit(disp=False)
    level, slope, damping, season = model.smoothing[0].tolist()
    names = {
        "smoothing_level": level,
        "smoothing_trend": slope,
        "damping_trend": damping,
        "smoothing_seasonal": season,
    }
    mine = [names[name] for name in reference.model.param_names if name in names]
    np.testing.assert_allclose(mine, reference.params[: len(mine)])
    window = ETSModel(values[:CONTEXT], **settings).smooth(np.array(mine))
    np.testing.assert_allclose(forecast(model, values), window.forecast(HORIZON), rtol=1e-9)


def test_the_form_is_that_of_the_smallest_criterion():
    model = ETS(spec=spec_of())
    multiplied = [model._best(ETSModel, [series(seed=seed)])[0] for seed in (0, 1)]
    assert {form.seasonal for form in multiplied} == {"mul"}
    rng = np.random.default_rng(0)
    # Noise has no season, and negative values none that multiplies; a line has a trend that is not damped.
    assert model._best(ETSModel, [rng.normal(size=100) for _ in range(2)])[0].seasonal == "none"
    line = np.arange(100.0) + rng.normal(size=100)
    assert model._best(ETSModel, [line])[0] == Form("add", "none")


def test_of_several_series_the_median_counts():
    whole = [series(seed=seed)[:, None] for seed in range(3)]
    model = ETS(spec=spec_of(), trend="none", seasonal="add")
    each = []
    for values in whole:
        model.learn([values], Job())
        each.append(model.smoothing.numpy())
    model.learn([*whole, whole[0][:10]], Job())
    np.testing.assert_allclose(model.smoothing, np.median(each, axis=0))


class Ahead(torch.nn.Module):
    """Forecasts alone, to be exported."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, past):
        """See :meth:`ETS.ahead`."""
        return self.model.ahead(past)


@pytest.mark.parametrize("period", [1, PERIOD])
def test_ets_leaves_as_a_loop_over_its_steps(period):
    model = ETS(spec=spec_of(), period=period)
    model.learn([series()[:, None]], Job())
    past = torch.from_numpy(np.stack([series(seed=seed)[:CONTEXT] for seed in range(3)]) - MEAN)[..., None] / SCALE
    program = torch.export.export(Ahead(model), (past[:2],), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    assert "higher_order.scan" in str(program.graph)
    torch.testing.assert_close(program.module()(past), model.ahead(past), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("period", [1, PERIOD])
@pytest.mark.parametrize("sign", [1, -1])
def test_theta_forecasts_as_statsmodels_does(period, sign):
    values = sign * series()[:CONTEXT]
    model = Theta(spec=spec_of(), period=period)
    assert model.learn([values[:, None]], Job()) == 1
    assert model.multiplies.tolist() == [sign == 1]
    known = {"period": PERIOD} if period > 1 else {"deseasonalize": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = ThetaModel(values, use_test=False, method="mul" if sign == 1 else "add", **known).fit()
    np.testing.assert_allclose(forecast(model, values), reference.forecast(HORIZON), rtol=1e-6)


@pytest.mark.parametrize("period", [5, 6])
@pytest.mark.parametrize("multiplied", [False, True])
def test_a_window_is_decomposed_as_statsmodels_does(period, multiplied):
    values = series(37)
    found, trend = seasonal_pattern(torch.from_numpy(values)[None, None], period, torch.tensor([[multiplied]]))
    reference = seasonal_decompose(values, model="multiplicative" if multiplied else "additive", period=period)
    np.testing.assert_allclose(found[0, 0], reference.seasonal[:period])
    np.testing.assert_allclose(trend[0, 0], reference.trend[~np.isnan(reference.trend)])


@pytest.mark.parametrize("model", [ETS, Theta])
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_window_without_change_has_a_forecast(model, value):
    """Also of zeros, where a season was multiplied in training."""
    made = model(spec=spec_of())
    made.learn([series()[:, None]], Job())
    found = forecast(made, np.full(CONTEXT, value))
    np.testing.assert_allclose(found, value, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "options", "more", "error", "said"),
    [
        (ETS, {"trend": "mul"}, {}, ValueError, "trend=mul must be one of none, add, damped, auto"),
        (ETS, {"seasonal": "add"}, {"season": 1}, ValueError, "seasonal=add needs a season: model.period"),
        (ETS, {}, {"n_steps": 15}, ConfigError, r"begins its states with 16 steps .* data.context=15 is less"),
        (Theta, {"theta": 0.5}, {}, ValueError, "theta=0.5 must be 1 or more"),
        (Theta, {}, {"n_steps": 11}, ConfigError, r"in two of them, 12 steps .* data.context=11 is less"),
    ],
)
def test_what_cannot_be_done_is_told(model, options, more, error, said):
    with pytest.raises(error, match=said):
        model(spec=spec_of(**more), **options)


def test_train_steps_that_do_not_do_are_told():
    with pytest.raises(DataError, match="ets needs 16 train steps of a series, and none has them"):
        ETS(spec=spec_of()).learn([np.ones((15, 1))], Job())
    with pytest.raises(DataError, match="theta needs 12 train steps of a series, and none has them"):
        Theta(spec=spec_of()).learn([np.ones((11, 1))], Job())
    with pytest.raises(ConfigError, match="not all train steps are above 0: model.seasonal=add"):
        ETS(spec=spec_of(), seasonal="mul").learn([-series()[:, None]], Job())


def test_without_a_season_ten_steps_are_enough():
    spec = replace(spec_of(), season=1, n_steps=10)
    model = ETS(spec=spec)
    assert model.forms == [Form("none", "none"), Form("add", "none"), Form("damped", "none")]
    model.learn([series()[:, None]], Job())
    assert model.ahead(torch.zeros(2, 10, 1)).shape == (2, HORIZON, 1)

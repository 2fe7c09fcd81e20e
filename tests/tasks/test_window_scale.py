"""By what intervals of windows are stretched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.evaluation.conformal import fit_conformal
from colonnade.evaluation.options import Uncertainty
from colonnade.tasks.forecast import Forecast
from colonnade.tasks.regression import Regression
from colonnade.tasks.window_scale import LEAST, WindowScale
from colonnade.testing.tasks import example_spec, ready

SPEC = replace(
    example_spec(TargetKind.REAL),
    target_names=("a+1", "b+1", "a+2", "b+2"),
    target_scale=(1.0, 5.0) * 2,
    target_mean=(0.0, 0.0) * 2,
    n_steps=4,
    horizon=2,
    channels=(0, 1),
    season=2,
)


def scale(**changes):
    return WindowScale.of(replace(SPEC, **changes), ["a", "b"], ("b", "x", "a"))


def test_it_is_the_error_of_the_season_before_in_the_window_of_each_value():
    num = torch.tensor([[1.0, 9, 2], [4, 9, 2], [3, 9, 5], [4, 9, 3], [7, 9, 100], [8, 9, 100]], dtype=torch.float64)
    least = LEAST * np.array([3.0, 3.0]) + float(np.finfo(np.float32).eps) * np.array([1.0, 5.0])
    # What stands behind the context is not looked at; both steps ahead have the scale of their value.
    expected = np.tile(np.array([(3 + 1) / 2, (2 + 0) / 2]) + least, 2)
    np.testing.assert_allclose(scale()(num[None])[0], expected)
    # As long as the window: the step before.
    steps = np.array([(0 + 3 + 2) / 3, (3 + 1 + 1) / 3]) + least
    np.testing.assert_allclose(scale(season=4)(num[None])[0], np.tile(steps, 2))


def test_missing_values_do_not_count_and_a_window_that_stands_still_has_a_scale():
    num = torch.tensor([[1.0, 0, 2], [np.nan, 0, 2], [3, 0, 2], [4, 0, 2]], dtype=torch.float64)
    found = scale()(num[None])[0]
    eps = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(found[:2], [LEAST * 2 + eps, 2 + LEAST * 8 / 3 + 5 * eps])
    assert (scale()(torch.full((1, 4, 3), torch.nan, dtype=torch.float64)) > 0).all()


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
def test_a_series_that_is_a_thousand_times_as_large_has_intervals_that_are_so_too(quantiles):
    rng = np.random.default_rng(0)
    size = torch.from_numpy(np.where(np.arange(400) % 2, 1000.0, 1.0))[:, None]
    truth = size * torch.from_numpy(rng.normal(size=(400, 1)))
    levels = size[..., None] * torch.tensor(quantiles, dtype=torch.float64)
    prediction = {"value": torch.zeros(400, 1), **({"quantile": levels} if quantiles else {})}
    options = Uncertainty(level=0.8)
    method = "cqr" if quantiles else "absolute"
    found = fit_conformal(method, options, prediction, truth, None, scale=size, quantiles=quantiles)
    ends = found(prediction, None, size)
    width = ends["upper"] - ends["lower"]
    torch.testing.assert_close(width[1::2], width[::2] * 1000)
    for some in (slice(0, None, 2), slice(1, None, 2)):
        inside = ((ends["lower"] <= truth) & (truth <= ends["upper"]))[some].double().mean()
        assert inside == pytest.approx(0.8, abs=0.05)


def test_it_is_of_several_series_unless_something_else_is_said():
    task = ready(Forecast())
    assert not Uncertainty().by_window(task)
    assert Uncertainty(scaling="window").by_window(task)
    several = Forecast()
    several.setup(replace(task.spec, n_series=2))
    assert Uncertainty().by_window(several)
    assert not Uncertainty(scaling="none").by_window(several)
    assert not Uncertainty(conformal="none").by_window(several)
    assert not Uncertainty().by_window(ready(Regression()))
    with pytest.raises(ConfigError, match="scaling=window: task=regression looks back at no window"):
        Uncertainty(scaling="window").check(ready(Regression()))
    with pytest.raises(ValueError, match="scaling=series must be one of auto, none, window"):
        Uncertainty(scaling="series")

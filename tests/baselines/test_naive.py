"""Naive forecasts: the last season, over and over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from colonnade.baselines.naive import Naive
from colonnade.core.errors import ConfigError
from colonnade.testing.forecasts import toy_batch, toy_spec


@pytest.mark.parametrize(("period", "steps"), [(1, [23] * 6), (4, [20, 21, 22, 23, 20, 21]), (24, [0, 1, 2, 3, 4, 5])])
def test_what_was_is_what_will_be(period, steps):
    spec = toy_spec(channels=(2, 0))
    batch = toy_batch(spec)
    raw = Naive(spec=spec, period=period)(batch).raw
    assert raw.equal(batch.num[:, steps][..., [2, 0]].flatten(1).unsqueeze(1))


def test_the_published_figures(real_data, tmp_path):
    """Repeat last, ETTh1 at 96 steps: MSE 1.295, MAE .713 (Zeng et al., AAAI 2023)."""
    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit

    metrics = fit(compose(["data=etth1", "model=naive", "logger=none"]), tmp_path / "run")["metrics"]["test"]
    assert metrics["mse"] == pytest.approx(1.295, abs=0.001)
    assert metrics["mae"] == pytest.approx(0.713, abs=0.001)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"period": 0}, ValueError, "period=0 must be 1 or more"),
        ({"period": 25}, ConfigError, "model.period=25 is more than data.context=24 looks back"),
    ],
)
def test_arguments_out_of_range(options, error, said):
    with pytest.raises(error, match=said):
        Naive(spec=toy_spec(), **options)


def test_it_takes_what_is_forecast():
    with pytest.raises(ConfigError, match="a forecast needs to know how far: set data.horizon and data.context"):
        Naive(spec=replace(toy_spec(), horizon=None))
    with pytest.raises(ConfigError, match="`data` gives the rows of a table, but this model takes series"):
        Naive(spec=replace(toy_spec(), n_steps=None))

"""Figures of forecasts."""

import numpy as np

from colonnade.report.forecast import by_step, windows


def test_four_windows_are_shown_and_fewer_where_there_are_fewer():
    value = np.random.default_rng(0).normal(size=(30, 12))
    fig = windows(value, value + 1, "load $")
    assert [panel.get_title("left") for panel in fig.axes] == [f"window {i} of 30" for i in (0, 10, 19, 29)]
    for panel, row in zip(fig.axes, (0, 10, 19, 29)):
        came, forecast = panel.get_lines()
        np.testing.assert_allclose(came.get_ydata() - forecast.get_ydata(), 1.0)
        np.testing.assert_allclose(forecast.get_ydata(), value[row])
    assert len(windows(value[:1], value[:1], "x").axes[0].get_lines()) == 2


def test_the_error_of_each_step_over_its_mean():
    error = np.arange(1.0, 7.0)[:, None] * [1.0, 10.0]
    truth = np.random.default_rng(0).normal(size=(5, 6, 2))
    lines = by_step(truth + error, truth, ["a", "b"]).axes[0].get_lines()
    for line in lines:
        np.testing.assert_allclose(line.get_ydata(), np.arange(1, 7) / 3.5)
    np.testing.assert_allclose(by_step(truth, truth, ["a", "b"]).axes[0].get_lines()[0].get_ydata(), 0)

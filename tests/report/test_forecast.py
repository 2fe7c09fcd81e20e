"""Figures of forecasts."""

import numpy as np

from colonnade.report.forecast import Past, bands_of, by_step, coverage_by_step, shown, windows


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


def test_a_fan_lies_around_the_forecast_behind_what_was():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(30, 6))
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    quantile = value[..., None] + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert shown(30).tolist() == [0, 10, 19, 29]
    past = Past(rng.normal(size=(4, 40)), ("north", "north", "south", "south"))
    fig = windows(value, value, "load", bands=bands_of(quantile, levels), past=past)
    for k, (panel, row) in enumerate(zip(fig.axes, shown(30))):
        assert panel.get_title("left") == f"{past.names[k]}, window {row} of 30"
        before = panel.get_lines()[0]
        # Two horizons of the past, and the first step that came.
        np.testing.assert_allclose(before.get_ydata(), [*past.values[k, -12:], value[row, 0]])
        np.testing.assert_allclose(before.get_xdata(), np.arange(-11, 2))
        for band, reach in zip(panel.collections, (2.0, 1.0)):
            corners = band.get_paths()[0].vertices
            for step in range(6):
                at = corners[corners[:, 0] == step + 1][:, 1]
                np.testing.assert_allclose([at.min(), at.max()], value[row, step] + [-reach, reach])
    told = [text.get_text() for text in fig.legends[0].get_texts()]
    assert told == ["before", "90%", "50%", "came", "forecast"]


def test_coverage_of_each_step():
    truth = np.zeros((4, 3, 1))
    quantile = np.stack([truth - 1, truth, truth + 1], axis=-1)
    quantile[:2, 2] += 5
    panel = coverage_by_step(quantile, truth, (0.1, 0.5, 0.9)).axes[0]
    within, nominal = panel.get_lines()
    np.testing.assert_allclose(within.get_ydata(), [1, 1, 0.5])
    np.testing.assert_allclose(nominal.get_ydata(), 0.8)

"""Figures of forecasts: some of them beside what came, and how the error grows with the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 4


def windows(value: np.ndarray, truth: np.ndarray, name: str) -> Figure:
    """Four forecasts, evenly spread over the windows, and what came.

    Args:
        value, truth: ``(N, horizon)`` in original units.
        name: of what is forecast.
    """
    chosen = np.unique(np.linspace(0, len(value) - 1, min(SHOWN, len(value))).round().astype(int))
    fig, panels = style.figure(
        f"Forecasts of {style.shorten(name, 50)}", height=4.6, columns=2, rows=(len(chosen) + 1) // 2
    )
    steps = np.arange(1, value.shape[1] + 1)
    for panel, row in zip(panels, chosen):
        panel.plot(steps, truth[row], color=style.INK, linewidth=1.2, label="came")
        panel.plot(steps, value[row], color=style.ORANGE, linewidth=1.4, label="forecast")
        style.label(panel, x="steps ahead", y="", title=f"window {row:,} of {len(value):,}")
    for panel in panels[len(chosen) :]:
        panel.set_axis_off()
    style.legend(panels[0])
    return fig


def by_step(value: np.ndarray, truth: np.ndarray, names: list[str]) -> Figure:
    """Mean absolute error of each step ahead, of each value over its mean over all steps.

    Args:
        value, truth: ``(N, horizon, C)`` in original units.
        names: of the values.
    """
    error = np.abs(value - truth).mean(0)
    fig, (panel,) = style.figure("Error of each step ahead", height=3.4)
    steps = np.arange(1, len(error) + 1)
    for i, name in enumerate(names[: len(style.COLOURS)]):
        mean = error[:, i].mean()
        curve = error[:, i] / mean if mean > 0 else error[:, i]
        panel.plot(steps, curve, color=style.COLOURS[i], linewidth=1.3, label=style.shorten(name, 24))
    panel.set_ylim(bottom=0)
    style.legend(panel)
    style.label(panel, x="steps ahead", y="mean absolute error / its mean", title="")
    return fig

"""Figures of forecasts: some of them beside what came, and how error and coverage change with the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style
from colonnade.tasks.quantile import intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 4
# Of the past, in horizons.
PAST = 2


@dataclass(frozen=True)
class Band:
    """Intervals around a forecast.

    Args:
        name: what they are.
        low, high: ``(N, horizon)`` in original units.
    """

    name: str
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Past:
    """What stands before the windows of :func:`shown`.

    Args:
        values: ``(K, steps)`` in original units, up to the first step that is forecast.
        names: of the series of each; empty where there is one only.
    """

    values: np.ndarray
    names: tuple[str, ...]


def shown(n: int) -> np.ndarray:
    """Which of ``n`` windows are shown: four, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(SHOWN, n)).round().astype(int))


def bands_of(quantile: np.ndarray, levels: Sequence[float]) -> list[Band]:
    """Central intervals, the widest first.

    Args:
        quantile: ``(N, horizon, Q)`` in original units.
        levels: increasing.
    """
    found = reversed(intervals(levels))
    return [Band(f"{nominal:.0%}", quantile[..., low], quantile[..., high]) for low, high, nominal in found]


def windows(
    value: np.ndarray, truth: np.ndarray, name: str, *, bands: Sequence[Band] = (), past: Past | None = None
) -> Figure:
    """Four forecasts, evenly spread over the windows, what stood before, and what came.

    Args:
        value, truth: ``(N, horizon)`` in original units.
        name: of what is forecast.
        bands: intervals, the widest first.
        past: what stood before; None: it is not known.
    """
    chosen = shown(len(value))
    rows = (len(chosen) + 1) // 2
    fig, panels = style.figure(
        f"Forecasts of {style.shorten(name, 50)}", height=0.6 + 2.2 * rows, columns=min(2, len(chosen)), rows=rows
    )
    steps = np.arange(1, value.shape[1] + 1)
    for k, (panel, row) in enumerate(zip(panels, chosen)):
        title = f"window {row:,} of {len(value):,}"
        if past is not None:
            _before(panel, past.values[k], truth[row], len(steps))
            title = f"{style.shorten(past.names[k], 24)}, {title}" if past.names[k] else title
        for i, band in enumerate(bands):
            low, high, shade = band.low[row], band.high[row], 0.18 + 0.14 * i
            panel.fill_between(steps, low, high, color=style.ORANGE, alpha=shade, linewidth=0, label=band.name)
        panel.plot(steps, truth[row], color=style.INK, linewidth=1.2, label="came")
        panel.plot(steps, value[row], color=style.ORANGE, linewidth=1.6, label="forecast")
        style.label(panel, x="steps ahead", y="", title=title)
        panel.margins(x=0.01)
    for panel in panels[len(chosen) :]:
        panel.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    fig.legend(
        handles,
        labels,
        loc="outside lower right",
        ncols=len(labels),
        frameon=False,
        fontsize=style.SMALL,
        labelcolor=style.INK,
    )
    return fig


def by_step(value: np.ndarray, truth: np.ndarray, names: list[str]) -> Figure:
    """Mean absolute error of each step ahead, of each value over its mean over all steps.

    Args:
        value, truth: ``(N, horizon, C)`` in original units.
        names: of the values.
    """
    # Values that are missing are NaN.
    error = np.nanmean(np.abs(value - truth), axis=0)
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


def coverage_by_step(quantile: np.ndarray, truth: np.ndarray, levels: Sequence[float]) -> Figure:
    """Share of what came that lies within each central interval, at each step ahead, over windows and values.

    Args:
        quantile: ``(N, horizon, C, Q)`` in original units.
        truth: ``(N, horizon, C)``.
        levels: of the quantiles, increasing.
    """
    fig, (panel,) = style.figure("Coverage of each step ahead", height=3.4)
    steps = np.arange(1, truth.shape[1] + 1)
    for i, (low, high, nominal) in enumerate(intervals(levels)):
        inside = np.where(np.isnan(truth), np.nan, (quantile[..., low] <= truth) & (truth <= quantile[..., high]))
        colour = style.COLOURS[i % len(style.COLOURS)]
        panel.plot(steps, np.nanmean(inside, axis=(0, 2)), color=colour, linewidth=1.4, label=f"{nominal:.0%} interval")
        panel.axhline(nominal, color=colour, linewidth=1.0, linestyle=(0, (4, 3)))
    panel.set_ylim(0, 1.02)
    style.legend(panel)
    style.label(panel, x="steps ahead", y="share within", title="")
    return fig


def _before(panel: Axes, values: np.ndarray, truth: np.ndarray, horizon: int) -> None:
    """The past, joined to what came."""
    values = values[-max(PAST * horizon, 2) :]
    steps = np.arange(1 - len(values), 2)
    panel.plot(steps, np.append(values, truth[0]), color=style.FAINT, linewidth=1.1, label="before")
    panel.axvline(0, color=style.GRID, linewidth=1.2)

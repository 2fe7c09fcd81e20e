"""Figures of predicted numbers and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MAX_POINTS = 2_000
MAX_FAN = 200


def residuals(value: np.ndarray, truth: np.ndarray, name: str) -> Figure:
    """Predicted against true values, and the histogram of the residuals.

    Args:
        value, truth: ``(N,)`` in original units.
        name: of the target.
    """
    fig, (left, right) = style.figure(f"Residuals of {style.shorten(name, 50)}", height=4.2, columns=2)
    everything = np.concatenate((value, truth))
    low, high = _range(everything)
    if len(value) > MAX_POINTS:
        image = left.hexbin(
            truth,
            value,
            gridsize=45,
            extent=(low, high, low, high),
            mincnt=1,
            bins="log",
            cmap=_density(),
            linewidths=0.1,
        )
        bar = fig.colorbar(image, ax=left, fraction=0.045, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(which="both", labelsize=style.SMALL, colors=style.INK, length=0)
        bar.set_label("rows", fontsize=style.SMALL, color=style.INK)
    else:
        left.scatter(truth, value, s=9, color=style.BLUE, alpha=0.45, linewidths=0)
    left.plot([low, high], [low, high], color=style.ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
    left.set_xlim(low, high)
    left.set_ylim(low, high)
    left.set_aspect("equal", adjustable="box")
    style.label(left, x="true", y="predicted", title=_outside(everything, low, high))
    error = value - truth
    near, far = _range(error)
    right.hist(
        np.clip(error, near, far), bins=41, range=(near, far), color=style.LIGHT_BLUE, edgecolor="white", linewidth=0.5
    )
    right.axvline(0, color=style.FAINT, linewidth=1)
    right.axvline(
        np.median(error), color=style.ORANGE, linewidth=1.4, label=f"median {style.number(float(np.median(error)))}"
    )
    rmse, mae = np.sqrt((error**2).mean()), np.abs(error).mean()
    style.label(right, x="predicted minus true", y="rows", title=f"RMSE {style.number(rmse)}, MAE {style.number(mae)}")
    for ax in (left, right):
        style.few_ticks(ax)
    style.legend(right, loc="upper right")
    return fig


def fan(quantile: np.ndarray, truth: np.ndarray, quantiles: Sequence[float], name: str) -> Figure:
    """Predicted intervals of rows ordered by their median, and the true values; at most 200 rows, evenly chosen.

    Args:
        quantile: ``(N, Q)`` in original units.
        truth: ``(N,)``.
        quantiles: levels, increasing.
        name: of the target.
    """
    middle = list(quantiles).index(0.5)
    order = np.argsort(quantile[:, middle], kind="stable")
    order = order[np.linspace(0, len(order) - 1, min(len(order), MAX_FAN)).round().astype(int)]
    fig, (ax,) = style.figure(f"Predicted quantiles of {style.shorten(name, 45)}", height=4.2)
    at = np.arange(len(order))
    for low, high in zip(range(middle), range(len(quantiles) - 1, middle, -1)):
        ax.fill_between(
            at,
            quantile[order, low],
            quantile[order, high],
            color=style.BLUE,
            alpha=0.16 + 0.14 * low,
            linewidth=0,
            step="mid",
            label=f"{quantiles[low]:g} to {quantiles[high]:g}",
        )
    ax.plot(at, quantile[order, middle], color=style.BLUE, linewidth=1.6, label="median")
    ax.scatter(at, truth[order], s=10, color=style.ORANGE, linewidths=0, zorder=3, label="true")
    ax.set_xlim(-1, len(order))
    style.label(ax, x="rows, by predicted median", y=style.shorten(name, 40))
    style.legend(ax, loc="upper left")
    return fig


def coverage(quantile: np.ndarray, truth: np.ndarray, quantiles: Sequence[float], name: str) -> Figure:
    """Share of the true values below each predicted quantile against its level, and widths of the central intervals.

    Args:
        quantile: ``(N, Q)`` in original units.
        truth: ``(N,)``.
        quantiles: levels, increasing.
        name: of the target.
    """
    fig, (left, right) = style.figure(f"Coverage of the quantiles of {style.shorten(name, 40)}", height=4.2, columns=2)
    below = (truth[:, None] <= quantile).mean(0)
    left.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    left.plot(quantiles, below, color=style.BLUE, linewidth=1.5, marker="o", markersize=5, label="observed")
    left.set_xlim(-0.02, 1.02)
    left.set_ylim(-0.02, 1.02)
    left.set_aspect("equal", adjustable="box")
    style.label(left, x="level of the quantile", y="share of rows below")
    style.legend(left, loc="upper left")
    from colonnade.tasks.quantile import intervals

    central = intervals(quantiles)
    if not central:
        style.note(right, "no pair of levels q and 1 - q")
        return fig
    widths = [quantile[:, high] - quantile[:, low] for low, high, _ in central]
    names = [
        f"{level:.0%}\n(holds {((quantile[:, low] <= truth) & (truth <= quantile[:, high])).mean():.1%})"
        for low, high, level in central
    ]
    boxes = right.boxplot(widths, widths=0.5, showfliers=False, patch_artist=True, medianprops={"color": style.ORANGE})
    for box in boxes["boxes"]:
        box.set(facecolor=style.LIGHT_BLUE, edgecolor=style.BLUE)
    for line in boxes["whiskers"] + boxes["caps"]:
        line.set_color(style.BLUE)
    right.set_xticks(range(1, len(names) + 1), labels=names)
    right.set_ylim(bottom=0)
    right.grid(False, axis="x")
    style.label(right, x="interval", y="width")
    return fig


def _range(values: np.ndarray) -> tuple[float, float]:
    """A range that holds nearly all values, so that a few far ones do not press the rest together."""
    low, high = np.quantile(values, (0.001, 0.999))
    pad = 0.04 * (high - low) or 0.5 * abs(low) or 1.0
    return float(low - pad), float(high + pad)


def _outside(values: np.ndarray, low: float, high: float) -> str:
    """Says how many values the range leaves out."""
    n = int(((values < low) | (values > high)).sum())
    return f"{style.count(n)} values outside the frame" if n else ""


def _density() -> Colormap:
    """Light to the dark blue of all figures."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("density", ["#d6e4f3", style.BLUE, "#12294a"])

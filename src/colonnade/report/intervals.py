"""Figure of conformal prediction: coverage by level, and coverage and size by parts of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style
from colonnade.report.classification import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NAMED = 12
"""Parts that are named at the axis; of more, such as steps ahead, the numbers are."""
CLOSE = 0.07
"""Levels whose shares are written on either side."""


@dataclass(frozen=True)
class Levels:
    """Coverage at several levels.

    Args:
        asked: ``(L,)``.
        measured: ``(L,)``.
        rows: that were counted; None: they are not independent, as windows of a forecast.
        low, high: ``(L,)``, where it lies by chance in 95 of 100 cases; None where that is not known.
    """

    asked: np.ndarray
    measured: np.ndarray
    rows: int | None
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Parts:
    """Coverage and size by parts of the rows.

    Args:
        what: they are, such as ``predicted value``.
        names: of them.
        covered: ``(P,)``.
        size: ``(P,)`` mean width, or number of classes.
        rows: ``(P,)``; None: see :class:`Levels`.
    """

    what: str
    names: Sequence[str]
    covered: np.ndarray
    size: np.ndarray
    rows: np.ndarray | None


def intervals(levels: Levels, parts: Parts, *, level: float, title: str, size: str) -> Figure:
    """Coverage against the level that was asked for, with what chance allows; and both by parts.

    Args:
        levels: over all rows.
        parts: at ``level``.
        level: of the run.
        title: heading.
        size: what the size is, for its axis.
    """
    from matplotlib.ticker import PercentFormatter

    fig, (left, middle, right) = style.figure(title, height=3.9, columns=3, width_ratios=(1.0, 1.15, 1.15))
    _levels(left, levels)
    # What is not named is counted from 1.
    at = np.arange(len(parts.names)) + (len(parts.names) > MAX_NAMED)
    middle.axhline(level, color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    if parts.rows is not None:
        low, high = wilson(parts.covered, parts.rows)
        middle.vlines(at, low, high, color=style.BLUE, linewidth=1.4, alpha=0.6)
    line = "none" if len(at) <= MAX_NAMED and parts.rows is not None else "-"
    middle.plot(at, parts.covered, color=style.BLUE, marker="o", markersize=4.5, linestyle=line, linewidth=1.4)
    middle.set_ylim(top=1.015)
    right.bar(at, parts.size, color=style.LIGHT_BLUE, edgecolor=style.BLUE, linewidth=0.6, width=0.72)
    style.label(middle, x=parts.what, title=f"coverage, {level:.0%} asked for")
    style.label(right, x=parts.what, title=size)
    for ax in (left, middle):
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for ax in (middle, right):
        ax.grid(False, axis="x")
        if len(at) <= MAX_NAMED:
            names = [style.shorten(name, 12) for name in parts.names]
            ax.set_xticks(at, names, rotation=50, ha="right", rotation_mode="anchor", fontsize=7, parse_math=False)
            ax.set_xlim(-0.6, len(at) - 0.4)
    return fig


def _levels(ax: Axes, levels: Levels) -> None:
    asked, measured = levels.asked, levels.measured
    ends = (min(asked.min(), measured.min()) - 0.03, 1.005)
    ax.plot(ends, ends, color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)), label="as asked for")
    if levels.low is not None and levels.high is not None:
        ax.fill_between(asked, levels.low, levels.high, color=style.GRID, label="95 % of all draws")
    if levels.rows is not None:
        low, high = wilson(measured, np.full(len(measured), levels.rows))
        ax.vlines(asked, low, high, color=style.BLUE, linewidth=1.4, alpha=0.6)
    ax.plot(asked, measured, color=style.BLUE, linewidth=1.5, marker="o", markersize=5, label="measured")
    for x, y, gap in zip(asked, measured, np.diff(asked, append=np.inf)):
        # Two next to each other would write over one another.
        offset, side = ((6, -11), "left") if gap > CLOSE else ((-6, 5), "right")
        ax.annotate(
            f"{y:.1%}", (x, y), offset, textcoords="offset points", ha=side, fontsize=style.SMALL, color=style.INK
        )
    ax.set_xlim(ends[0], 1.03)
    ax.set_ylim(*ends)
    ticks = [value for value in asked if value in (0.8, 0.9, 0.95)]
    ax.set_xticks(ticks, [f"{value:.0%}" for value in ticks])
    style.label(ax, x="asked for", title="coverage by level")
    style.legend(ax, "lower right" if measured.mean() > asked.mean() + 0.02 else "upper left")

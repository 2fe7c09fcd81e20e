"""Figures of an explanation: which columns matter, for which row, how, and whether taking them away bears that out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from colonnade.explain.dependence import Curve
from colonnade.explain.explanation import Explanation, View
from colonnade.report import heatmap, style
from colonnade.report.faithfulness import faithfulness
from colonnade.report.figures import MAX_TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BARS = 15
MAX_STEPS = 9
MAX_LINES = 6
WATERFALLS = {"low": 0.02, "middle": 0.5, "high": 0.98}
"""Rows that are drawn, by the quantile of their score."""


def draw(explanation: Explanation, rows: pl.DataFrame, row_id: np.ndarray) -> dict[str, Figure]:
    """The figures of an explanation, by name.

    ``importance``, ``deletion`` and a waterfall of a row with a low, a middling and a high score, each with the
    position of the target in its name where there are several (the first eight are drawn); ``dependence`` once. Of
    series maps of time and column instead of a waterfall: ``heatmap``, and of such rows ``heatmap_low`` ...

    Args:
        explanation: what was found.
        rows: the explained rows, in their order.
        row_id: ``(N,)`` position of each in its source.
    """
    figures: dict[str, Figure] = {}
    several = len(explanation.views) > 1
    for v, view in enumerate(explanation.views[:MAX_TARGETS]):
        suffix = f"_{v}" if several else ""
        figures[f"importance{suffix}"] = importance(view, explanation)
        figures[f"deletion{suffix}"] = deletion(view, explanation)
        if view.base is None:
            continue
        if view.over_time is not None:
            figures[f"heatmap{suffix}"] = heatmap.overview(view, explanation.columns, explanation.unit)
        order = np.argsort(view.score, kind="stable")
        # Maps of series are large: of several targets, one each.
        levels = {"middle": WATERFALLS["middle"]} if several and view.over_time is not None else WATERFALLS
        for name, level in levels.items():
            row = int(order[round(level * (len(order) - 1))])
            title = f"Row {row_id[row]}: {style.shorten(view.outputs[row], 30)}"
            if view.over_time is not None:
                steps = {column: rows[column][row].to_list() for column in explanation.columns}
                what = "Window before step" if view.over_time.forecast else "Series"
                title = f"{what} {row_id[row]}: {style.shorten(view.outputs[row], 40)}"
                figures[f"heatmap_{name}{suffix}"] = heatmap.single(
                    view, row, explanation.columns, steps, title=title, unit=explanation.unit
                )
                continue
            texts = [f"{column} = {_text(rows[column][row])}" for column in explanation.columns]
            figures[f"waterfall_{name}{suffix}"] = waterfall(view, row, texts, title=title, unit=explanation.unit)
    if explanation.curves:
        figures["dependence"] = dependence(explanation)
    return figures


def importance(view: View, explanation: Explanation) -> Figure:
    """Mean magnitude of the contributions of each column, with its interval; the first fifteen columns."""
    found = view.importance
    order = np.argsort(-found.mean, kind="stable")[:MAX_BARS]
    left_out = len(found.mean) - len(order)
    fig, (ax,) = style.figure(f"What matters: {style.shorten(view.target, 40)}", height=1.3 + 0.3 * len(order))
    at = np.arange(len(order))[::-1]
    spread = np.stack([found.mean[order] - found.low[order], found.high[order] - found.mean[order]])
    ax.barh(at, found.mean[order], color=style.BLUE, height=0.62)
    ax.errorbar(found.mean[order], at, xerr=spread.clip(min=0), fmt="none", ecolor=style.INK, elinewidth=1, capsize=2.5)
    ax.set_yticks(at, [style.shorten(explanation.columns[i], 28) for i in order], parse_math=False)
    ax.set_xlim(left=0)
    ax.grid(False, axis="y")
    share = "share of attention" if view.base is None else f"mean magnitude of the contribution ({explanation.unit})"
    rest = f", {left_out} columns with less left out" if left_out else ""
    method = explanation.method.replace("_", " ")
    style.label(ax, x=share, title=f"{method}, {style.count(len(view.score))} rows, 95 % interval over rows{rest}")
    return fig


def deletion(view: View, explanation: Explanation) -> Figure:
    """How far scores move as columns, or parts of series, are taken away, the most important first, against random
    orders."""
    found = view.deletion
    what = "Columns" if view.over_time is None else "Parts of the time of columns"
    fig, (ax,) = style.figure(f"{what} taken away: {style.shorten(view.target, 40)}", height=3.8)
    ax.plot(
        found.deleted, found.ordered, color=style.BLUE, linewidth=1.6, marker="o", markersize=3, label="by contribution"
    )
    ax.plot(
        found.deleted,
        found.shuffled,
        color=style.FAINT,
        linewidth=1.6,
        linestyle=(0, (4, 3)),
        marker="o",
        markersize=3,
        label="in random order",
    )
    ax.axhline(0, color=style.GRID, linewidth=0.8)
    title = f"area {faithfulness(found)}"
    style.label(
        ax,
        x="columns taken from other rows" if view.over_time is None else "parts taken from other series",
        y=f"movement of the score\n({explanation.unit})",
        title=title,
    )
    style.legend(ax, "lower right")
    return fig


def waterfall(view: View, row: int, texts: list[str], *, title: str, unit: str) -> Figure:
    """From the base to the score of one row, a step for each column; small ones are one step.

    Args:
        view: with a base.
        row: position of the row.
        texts: of the columns: name and value.
        title, unit: words for the heading and the axis.
    """
    assert view.base is not None
    values = view.values[row]
    order = np.argsort(-np.abs(values), kind="stable")
    shown, rest = order[:MAX_STEPS], order[MAX_STEPS:]
    steps = [float(values[rest].sum())] if len(rest) else []
    names = [f"{len(rest)} further columns"] if len(rest) else []
    # The smallest first: the score, at the top, is reached by the largest.
    steps += [float(values[i]) for i in shown[::-1]]
    names += [style.shorten(texts[i], 36) for i in shown[::-1]]
    ends = view.base[row] + np.cumsum([0.0, *steps])
    fig, (ax,) = style.figure(title, height=1.3 + 0.32 * len(steps))
    low, high = ends.min(), ends.max()
    pad = 0.012 * (high - low or 1.0)
    for i, step in enumerate(steps):
        ax.barh(i, step, left=ends[i], color=style.ORANGE if step > 0 else style.BLUE, height=0.62)
        if i:
            ax.plot([ends[i], ends[i]], [i - 0.69, i - 0.31], color=style.FAINT, linewidth=0.8)
        ax.text(
            max(ends[i], ends[i + 1]) + pad,
            i,
            f"{step:+.3g}",
            va="center",
            fontsize=style.SMALL,
            color=style.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    ax.axvline(ends[0], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_xlim(low - 6 * pad, high + 10 * pad)
    ax.set_yticks(range(len(steps)), names, parse_math=False)
    ax.grid(False, axis="y")
    missing = view.score[row] - ends[-1]
    rest_text = f", {missing:+.2g} not attributed" if abs(missing) > 0.01 * np.abs(values).sum() else ""
    about = f"score {style.number(view.score[row])}, from {style.number(view.base[row])} of the background{rest_text}"
    style.label(ax, x=unit, title=about)
    return fig


def dependence(explanation: Explanation) -> Figure:
    """Partial dependence of the outputs on each of the leading columns, and their accumulated local effects."""
    curves = explanation.curves
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    fig, axes = style.figure("How the score follows a column", height=0.6 + 2.5 * rows, columns=columns, rows=rows)
    for ax, curve in zip(axes, curves):
        _curve(ax, curve, explanation.outputs)
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    axes[0].set_ylabel(style.shorten(explanation.unit, 36), fontsize=style.NORMAL, color=style.INK)
    style.legend(axes[0])
    return fig


def _curve(ax: Axes, curve: Curve, outputs: tuple[str, ...]) -> None:
    lines = list(zip(outputs, style.COLOURS))[:MAX_LINES]
    single = len(outputs) == 1
    if curve.kind == "category":
        at = np.arange(len(curve.grid))
        for i, (name, colour) in enumerate(lines):
            label = "partial dependence" if single else name
            ax.plot(at, curve.partial[:, i], color=colour, linestyle="none", marker="o", markersize=4.5, label=label)
        names = [style.shorten(str(level), 15) for level in curve.grid]
        ax.set_xticks(at, names, rotation=50, ha="right", rotation_mode="anchor", fontsize=7, parse_math=False)
    else:
        assert curve.ale is not None
        at = np.asarray(curve.grid)
        if curve.kind == "datetime":
            at = at.astype("datetime64[us]")
        for i, (name, colour) in enumerate(lines):
            label = "partial dependence" if single else name
            ax.plot(at, curve.partial[:, i], color=colour, linewidth=1.6, marker="o", markersize=2.5, label=label)
            # They have no level of their own.
            shift = curve.partial[:, i].mean() - curve.ale[:, i].mean()
            ax.plot(
                at,
                curve.ale[:, i] + shift,
                color=colour if not single else style.ORANGE,
                linewidth=1.2,
                linestyle=(0, (4, 3)),
                label="local effects" if single else None,
            )
        if curve.kind == "datetime":
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            # Of fewer ticks than five, some stretches of months find no interval, of which matplotlib warns.
            locator = AutoDateLocator(minticks=2, maxticks=5)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        else:
            style.few_ticks(ax)
    style.label(ax, title=style.shorten(curve.column, 26))


def _text(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return style.number(value) if isinstance(value, float) else str(value)

"""Figures of explained series: which column mattered when, over all series and in one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from colonnade.explain.explanation import View
from colonnade.explain.over_time import BEFORE, SHARE, STEP, OverTime
from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAX_COLUMNS = 16
BAND = 0.34
"""Inches that a column takes."""


def overview(view: View, columns: Sequence[str], unit: str) -> Figure:
    """Mean magnitude of the contributions by column and time, and the sums of both; the first sixteen columns.

    Args:
        view: of series.
        columns: raw columns.
        unit: of the contributions.
    """
    over_time = view.over_time
    assert over_time is not None
    order = np.argsort(-view.importance.mean, kind="stable")[:MAX_COLUMNS]
    size = over_time.magnitude[:, order]
    fig, main, top, side = _panels(f"What matters when: {style.shorten(view.target, 40)}", len(order))
    image = _map(main, size.T, over_time, None, _shades("white", style.BLUE, "#12365f"), (0.0, _high(size)))
    _columns(main, [columns[i] for i in order])
    at = _edges(over_time, len(size))
    top.stairs(over_time.magnitude.sum(1), at, fill=True, color=style.LIGHT_BLUE)
    top.stairs(over_time.magnitude.sum(1), at, color=style.BLUE, linewidth=1.2)
    top.set_ylim(bottom=0)
    top.tick_params(labelbottom=False)
    top.grid(False, axis="x")
    places, mean = np.arange(len(order)), view.importance.mean[order]
    side.barh(places, mean, color=style.BLUE, height=0.62)
    spread = np.stack([mean - view.importance.low[order], view.importance.high[order] - mean]).clip(min=0)
    side.errorbar(mean, places, xerr=spread, fmt="none", ecolor=style.INK, elinewidth=1, capsize=2)
    side.set_xlim(left=0)
    side.tick_params(labelleft=False)
    side.grid(False, axis="y")
    style.few_ticks(side)
    left_out = len(columns) - len(order)
    rest = f"; {left_out} columns with less left out" if left_out else ""
    many, one = ("windows", "window") if over_time.axis == BEFORE else ("series", "series")
    style.label(top, title=f"mean over {style.count(len(view.score))} {many}, all columns{rest}")
    style.label(side, x=f"of the {one}")
    style.label(main, x=_axis(over_time))
    of = "a step" if over_time.axis != SHARE else f"{100 // len(size)} % of a series"
    _bar(fig, image, main, f"mean |contribution| of {of} ({unit})", "max")
    return fig


def single(
    view: View, row: int, columns: Sequence[str], values: Mapping[str, Sequence[object]], *, title: str, unit: str
) -> Figure:
    """Contributions of each step of one series, behind the series itself.

    Args:
        view: of series.
        row: position of the series.
        columns: raw columns.
        values: raw steps by column; numbers and truths are drawn as lines, each over its own range.
        title, unit: words for the heading and the scale.
    """
    over_time = view.over_time
    assert over_time is not None
    assert view.base is not None
    found = over_time.of(row)
    order = np.argsort(-np.abs(found).sum(0), kind="stable")[:MAX_COLUMNS]
    fig, main, top, side = _panels(title, len(order))
    high = _high(np.abs(found))
    shades = _shades(style.BLUE, "white", style.ORANGE)
    image = _map(main, found[:, order].T, over_time, len(found), shades, (-high, high))
    at = _edges(over_time, len(found), single=True)
    middle = (at[1:] + at[:-1]) / 2
    for place, column in enumerate(order):
        line = _line(values[columns[column]])
        if line is not None:
            main.plot(middle, place - 0.36 * line, color=style.INK, linewidth=1.1, solid_capstyle="round")
    _columns(main, [columns[i] for i in order])
    total = found.sum(1)
    top.axhline(0, color=style.FAINT, linewidth=0.8)
    for sign, colour in ((1, style.ORANGE), (-1, style.BLUE)):
        top.stairs((sign * total).clip(min=0) * sign, at, fill=True, color=colour, alpha=0.75)
    top.tick_params(labelbottom=False)
    top.grid(False, axis="x")
    places, sums = np.arange(len(order)), found[:, order].sum(0)
    side.barh(places, sums, color=[style.ORANGE if value > 0 else style.BLUE for value in sums], height=0.62)
    side.axvline(0, color=style.FAINT, linewidth=0.8)
    side.tick_params(labelleft=False)
    side.grid(False, axis="y")
    style.few_ticks(side)
    missing = view.score[row] - view.base[row] - found.sum()
    rest = f", {missing:+.2g} not attributed" if abs(missing) > 0.01 * np.abs(found).sum() else ""
    about = f"score {style.number(view.score[row])}, from {style.number(view.base[row])} of the background{rest}"
    style.label(top, title=about)
    style.label(side, x="of the series")
    style.label(main, x=_axis(over_time, single=True))
    _bar(fig, image, main, f"contribution of a step ({unit})", "both")
    return fig


def _panels(title: str, n_columns: int) -> tuple[Figure, Axes, Axes, Axes]:
    """The map, time above it, and columns at its right."""
    height = 2.6 + BAND * max(n_columns, 3)
    fig, (top, corner, main, side) = style.figure(
        title, height=height, columns=2, rows=2, width_ratios=(4.2, 1.0), height_ratios=(0.75, BAND * max(n_columns, 3))
    )
    corner.set_axis_off()
    top.sharex(main)
    side.sharey(main)
    return fig, main, top, side


def _map(
    main: Axes,
    values: np.ndarray,
    over_time: OverTime,
    length: int | None,
    shades: LinearSegmentedColormap,
    limits: tuple[float, float],
) -> AxesImage:
    from matplotlib.ticker import MaxNLocator

    at = _edges(over_time, values.shape[1], single=length is not None)
    # There is no half of a step.
    main.xaxis.set_major_locator(MaxNLocator(integer=True))
    image = main.imshow(
        values,
        aspect="auto",
        interpolation="nearest",
        cmap=shades,
        vmin=limits[0],
        vmax=limits[1],
        extent=(at[0], at[-1], len(values) - 0.5, -0.5),
    )
    main.grid(False)
    for place in range(1, len(values)):
        main.axhline(place - 0.5, color="white", linewidth=1.5)
    main.set_xlim(at[0], at[-1])
    main.set_ylim(len(values) - 0.5, -0.5)
    return image


def _edges(over_time: OverTime, n: int, *, single: bool = False) -> np.ndarray:
    """Where steps begin, and the last ends."""
    if over_time.axis == BEFORE:
        return np.arange(n + 1) - (n - over_time.ahead)
    return np.linspace(0, 100, n + 1) if over_time.axis == SHARE and not single else np.arange(n + 1)


def _axis(over_time: OverTime, *, single: bool = False) -> str:
    if over_time.axis == BEFORE:
        return "steps from the beginning of the forecast" if over_time.ahead else BEFORE
    return "position in the series (% of its length)" if over_time.axis == SHARE and not single else STEP


def _columns(main: Axes, names: Sequence[str]) -> None:
    main.set_yticks(range(len(names)), [style.shorten(name, 22) for name in names], parse_math=False)
    main.tick_params(axis="y", length=0)


def _line(values: Sequence[object]) -> np.ndarray | None:
    """Numbers between -1 and 1; None where they are none, or always the same."""
    if not all(value is None or isinstance(value, (int, float)) for value in values):
        return None
    numbers = np.array([np.nan if value is None else float(value) for value in values])  # type: ignore[arg-type]
    if np.isnan(numbers).all() or np.nanmin(numbers) == np.nanmax(numbers):
        return None
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    between: np.ndarray = 2 * (numbers - low) / (high - low) - 1
    return between


def _high(size: np.ndarray) -> float:
    """Where colours end: at the largest values but for a few, beside which the rest would be pale."""
    high = float(np.quantile(size, 0.995)) if size.size else 0.0
    return high or float(size.max(initial=0.0)) or 1.0


def _shades(*colours: str) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("contributions", colours)


def _bar(fig: Figure, image: AxesImage, main: Axes, text: str, extend: Literal["max", "both"]) -> None:
    bar = fig.colorbar(image, ax=main, orientation="horizontal", fraction=0.05, pad=0.02, aspect=45, extend=extend)
    bar.ax.set_frame_on(False)
    bar.ax.tick_params(colors=style.INK, labelsize=style.SMALL, length=2, color=style.FAINT)
    bar.set_label(text, fontsize=style.NORMAL, color=style.INK)

"""One look for all figures, set on each figure by itself: nothing global, so that threads may draw at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from colonnade.report.glyphs import legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#22303c"
FAINT = "#8795a1"
GRID = "#e4e9ee"
BLUE = "#2f6db5"
ORANGE = "#d9822b"
TEAL = "#1d8a7a"
RED = "#b83b4b"
LIGHT_BLUE = "#b9d2ec"
COLOURS = (BLUE, ORANGE, TEAL, RED, "#7a5bb0", "#8a6d3b")

WIDTH = 8.0
DPI = 100
SMALL, NORMAL, LARGE = 8.5, 9.5, 11.0


def figure(
    title: str,
    *,
    height: float,
    width: float = WIDTH,
    columns: int = 1,
    rows: int = 1,
    width_ratios: Sequence[float] | None = None,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, side by side, row after row.

    Args:
        title: heading, shown at the left.
        height, width: in inches of 100 pixels.
        columns: number of axes in a row.
        rows: number of rows.
        width_ratios, height_ratios: their relative sizes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    head(fig, title)
    fig.get_layout_engine().set(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)  # type: ignore[call-arg, union-attr]
    panels = fig.subplots(rows, columns, squeeze=False, width_ratios=width_ratios, height_ratios=height_ratios)
    return fig, [plain(ax) for ax in panels.flat]


def plain(ax: Axes) -> Axes:
    """Thin left and bottom lines, a faint grid behind the data."""
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)
        spine.set_linewidth(0.8)
    ax.tick_params(colors=INK, labelsize=SMALL, length=3, width=0.8, color=FAINT)
    ax.grid(True, color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def head(fig: Figure, title: str) -> None:
    """Heading of a figure, at the left."""
    heading = fig.suptitle(legible(title), x=0.012, ha="left", fontsize=LARGE, fontweight="bold", color=INK)
    heading.set_parse_math(False)


def label(ax: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Axis labels and title; a ``$`` in a column name is a dollar, not mathematics."""
    ax.set_xlabel(legible(x), fontsize=NORMAL, color=INK, parse_math=False)
    ax.set_ylabel(legible(y), fontsize=NORMAL, color=INK, parse_math=False)
    if title:
        ax.set_title(legible(title), fontsize=NORMAL, color=INK, loc="left", parse_math=False)


def legend(ax: Axes, loc: Literal["best", "upper left", "upper right", "lower right"] = "best") -> None:
    """Legend without a frame, if anything has a label."""
    if not ax.get_legend_handles_labels()[1]:
        return
    box = ax.legend(frameon=False, fontsize=SMALL, labelcolor=INK, loc=loc)
    for text in box.get_texts():
        text.set_parse_math(False)


def note(ax: Axes, text: str) -> None:
    """Say in the middle of empty axes why they are empty."""
    ax.text(
        0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=NORMAL, color=FAINT, parse_math=False
    )
    ax.set_xticks([])
    ax.set_yticks([])


def shorten(name: str, length: int = 18) -> str:
    """A name that fits beside an axis: the middle of a long one is left out, and what no font has is spelled."""
    if len(name) > length:
        head = length // 2
        name = f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"
    return legible(name)


def few_ticks(ax: Axes) -> None:
    """At most five ticks on the x-axis, so that long numbers keep apart."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))


def number(value: float) -> str:
    """Four significant digits, without an exponent where that is readable.

    >>> number(40071.3), number(0.87311), number(2.5e-7)
    ('40071', '0.8731', '2.5e-07')
    """
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def count(n: int) -> str:
    """A number with thin groups: ``12 345``."""
    return f"{n:,}".replace(",", "\u2009")

"""Figure of a pre-training: how well each column is told from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COLUMNS = 40
"""Columns that are drawn, those that gain most."""
WORDS = {"r2": "r2 of spoiled numbers", "accuracy": "accuracy of spoiled categories; line: share of the commonest"}


def reconstruction(columns: pl.DataFrame) -> dict[str, Figure]:
    """A bar for each column, and what is reached without looking at the row.

    Args:
        columns: ``column``, ``measure``, ``value``, ``base``.

    Returns:
        Figures named ``reconstruction_<measure>``.
    """
    figures = {}
    for measure, text in WORDS.items():
        known = columns.filter((pl.col("measure") == measure) & pl.col("value").is_finite())
        gain = (pl.col("value") - pl.col("base")).alias("gain")
        shown = known.with_columns(gain).sort("gain", descending=True).head(MAX_COLUMNS).reverse()
        if shown.height:
            title = text if shown.height == known.height else f"{text}: {shown.height} of {known.height} columns"
            figures[f"reconstruction_{measure}"] = _draw(shown, title, measure)
    return figures


def _draw(shown: pl.DataFrame, title: str, measure: str) -> Figure:
    figure, (ax,) = style.figure(title, height=1.4 + 0.22 * shown.height)
    places = list(range(shown.height))
    ax.barh(places, shown["value"].to_list(), color=style.BLUE, height=0.7)
    if measure == "accuracy":
        ax.scatter(shown["base"].to_list(), places, marker="|", s=70, color=style.INK, zorder=3)
    ax.set_yticks(places, [style.shorten(name, 32) for name in shown["column"]], parse_math=False)
    ax.set_xlim(1.05 * min([0.0, *shown["value"].to_list()]), 1.0)
    ax.grid(visible=False, axis="y")
    style.label(ax, x=measure)
    return figure

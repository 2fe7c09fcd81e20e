"""Importance of columns in several runs: a table, and bars with a dot for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from colonnade.explain.joint import Joint
from colonnade.report import style
from colonnade.report.figures import MAX_TARGETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

MAX_BARS, MAX_LINES = 15, 20


def joint_table(joint: Joint) -> Table:
    """Columns by their mean importance, the first twenty, with the interval over runs and the ranks that they had."""
    from rich.table import Table
    from rich.text import Text

    how = " or ".join(method.replace("_", " ") for method in joint.methods)
    table = Table(
        title=Text(f"{joint.target}: {how}, {len(joint.runs)} runs ({joint.unit})"),
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    table.add_column("column")
    for head in ("mean |contribution|", "95 % over runs", "ranks"):
        table.add_column(head, justify="right")
    low, high = joint.interval
    best, worst = joint.ranks
    for i, name in enumerate(joint.columns[:MAX_LINES]):
        ranks = f"{best[i]}" if best[i] == worst[i] else f"{best[i]} to {worst[i]}"
        table.add_row(Text(name), f"{joint.mean[i]:.3g}", f"{low[i]:.3g} to {high[i]:.3g}", ranks)
    if len(joint.columns) > MAX_LINES:
        rest = f"<= {joint.mean[MAX_LINES]:.3g}"
        table.add_row(Text(f"{len(joint.columns) - MAX_LINES} further ones"), rest, "", "")
    return table


def joint_figures(joints: Sequence[Joint]) -> dict[str, Figure]:
    """``importance_runs``, with the position of the target in its name where there are several."""
    several = len(joints) > 1
    return {
        f"importance_runs{f'_{i}' if several else ''}": joint_importance(joint)
        for i, joint in enumerate(joints[:MAX_TARGETS])
    }


def joint_importance(joint: Joint) -> Figure:
    """Mean importance over runs with its interval, and a dot for each run; the first fifteen columns."""
    n = min(MAX_BARS, len(joint.columns))
    fig, (ax,) = style.figure(f"What matters in every run: {style.shorten(joint.target, 40)}", height=1.3 + 0.3 * n)
    at = np.arange(n)[::-1]
    low, high = joint.interval
    mean = joint.mean[:n]
    ax.barh(at, mean, color=style.LIGHT_BLUE, height=0.62)
    # Dots of several runs stand below each other, so that equal ones are seen.
    beside = np.linspace(0.2, -0.2, len(joint.runs))
    for run, shift in zip(joint.each[:, :n], beside):
        ax.plot(run, at + shift, linestyle="none", marker="o", markersize=3, color=style.BLUE, alpha=0.75)
    spread = np.stack([mean - low[:n], high[:n] - mean])
    ax.errorbar(mean, at, xerr=spread, fmt="none", ecolor=style.INK, elinewidth=1.1, capsize=3)
    ax.set_yticks(at, [style.shorten(name, 28) for name in joint.columns[:n]], parse_math=False)
    ax.set_xlim(left=0)
    ax.grid(False, axis="y")
    rest = f", {len(joint.columns) - n} columns with less left out" if len(joint.columns) > n else ""
    how = " or ".join(method.replace("_", " ") for method in joint.methods)
    about = f"{how}, {len(joint.runs)} runs (a dot each), 95 % interval over runs{rest}"
    unit = "share of attention" if "attention" in joint.unit else f"mean magnitude of the contribution ({joint.unit})"
    style.label(ax, x=unit, title=about)
    return fig

"""Figure of a calibration: reliability before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style
from colonnade.report.classification import binned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"before": style.ORANGE, "after": style.BLUE}


def before_and_after(
    believed: tuple[np.ndarray, np.ndarray],
    came_true: tuple[np.ndarray, np.ndarray],
    *,
    errors: tuple[float, float],
    rows: str,
) -> Figure:
    """Observed frequencies over predicted probabilities, and how many were predicted, before and after a calibration.

    Args:
        believed: predicted probabilities before and after, ``(N,)`` each.
        came_true: 0 or 1, ``(N,)`` each: of more than two classes the likeliest one may have changed.
        errors: expected calibration errors.
        rows: what the rows are, for the heading.
    """
    fig, (left, right) = style.figure(f"Calibration, {rows}", height=4.2, columns=2)
    left.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    edges = np.linspace(0, 1, 31).tolist()
    for (when, colour), value, true, error in zip(COLOURS.items(), believed, came_true, errors):
        mean, frequency, _ = binned(value, true)
        left.plot(
            mean, frequency, color=colour, linewidth=1.5, marker="o", markersize=4.5, label=f"{when}: error {error:.3f}"
        )
        right.hist(value, bins=edges, histtype="step", color=colour, linewidth=1.5, label=when)
    style.label(left, x="predicted probability", y="observed frequency")
    style.label(right, x="predicted probability", y="rows")
    left.set_xlim(-0.02, 1.02)
    left.set_ylim(-0.02, 1.04)
    for ax in (left, right):
        style.legend(ax, loc="upper left")
    return fig

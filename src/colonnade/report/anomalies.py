"""Figure of anomalies: a series beside its forecast, and how far they are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(
    truth: np.ndarray, predicted: np.ndarray, score: np.ndarray, anomaly: np.ndarray, *, name: str, title: str
) -> Figure:
    """A series with its forecast one step ahead, the anomalies marked; its scores below.

    Args:
        truth, predicted, score: ``(N,)``.
        anomaly: ``(N,)`` bool.
        name: of what is forecast.
        title: heading.
    """
    fig, (above, below) = style.figure(title, height=4.6, rows=2, height_ratios=(2.0, 1.0))
    step = np.arange(len(truth))
    above.plot(step, truth, color=style.BLUE, linewidth=0.9, label=name)
    above.plot(step, predicted, color=style.ORANGE, linewidth=0.7, alpha=0.8, label="one step ahead")
    above.plot(step[anomaly], truth[anomaly], "o", color=style.RED, markersize=4, label="anomaly")
    above.legend(frameon=False, fontsize=style.SMALL, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.12))
    above.tick_params(labelbottom=False)
    below.vlines(step, 0, score, color=style.FAINT, linewidth=0.6)
    below.vlines(step[anomaly], 0, score[anomaly], color=style.RED, linewidth=1.2)
    below.set_ylabel("score", fontsize=style.SMALL)
    below.set_xlabel("step of the series", fontsize=style.SMALL)
    for ax in (above, below):
        ax.set_xlim(0, max(1, len(step) - 1))
    below.set_ylim(bottom=0)
    return fig

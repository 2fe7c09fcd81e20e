"""Figures of what the finders tried before a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NONE = "nothing is suggested"


def learning_rate(found: Mapping[str, Any]) -> Figure:
    """The loss while the learning rate rose, and the rate that is suggested.

    Args:
        found: content of ``lr_find.json``: ``"lr"`` and ``"loss"``, of one length, and ``"suggestion"`` or None.
    """
    fig, (ax,) = style.figure("Learning rate finder", height=3.8)
    if not found["lr"]:
        style.note(ax, "the loss was not finite from the first step on")
        return fig
    ax.plot(found["lr"], found["loss"], color=style.BLUE, linewidth=1.6)
    ax.set_xscale("log")
    ax.minorticks_off()
    style.label(ax, x="learning rate", y="loss, smoothed", title="" if found["suggestion"] else NONE)
    if found["suggestion"]:
        words = f"optim.lr={found['suggestion']:g}"
        ax.axvline(found["suggestion"], color=style.ORANGE, linewidth=1, linestyle=(0, (4, 3)), label=words)
    style.legend(ax)
    return fig


def batch_size(found: Mapping[str, Any]) -> Figure:
    """Rows per second by batch size, and the size that is suggested.

    Args:
        found: content of ``batch_size_find.json``: ``"rows_per_second"`` by size, and ``"suggestion"`` or None.
    """
    fig, (ax,) = style.figure("Batch size finder", height=3.8)
    rates = found["rows_per_second"]
    if not rates:
        style.note(ax, "no size fits into memory")
        return fig
    places = range(len(rates))
    ax.plot(places, list(rates.values()), color=style.BLUE, linewidth=1.6, marker="o", markersize=4)
    ax.set_xticks(places, [style.count(int(size)) for size in rates])
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(lambda value, _: style.count(round(value)))
    style.label(ax, x="batch size", y="rows per second")
    at = list(rates).index(str(found["suggestion"]))
    words = f"loader.batch_size={found['suggestion']}"
    ax.axvline(at, color=style.ORANGE, linewidth=1, linestyle=(0, (4, 3)), label=words)
    style.legend(ax, "upper left")
    return fig

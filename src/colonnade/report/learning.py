"""Learning curves from the rows of ``metrics.jsonl``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, float | None]
LOSSES = {"train/loss": style.FAINT, "val/loss": style.BLUE}


def learning_curve(rows: Sequence[Row], *, monitor: str, mode: str) -> Figure | None:
    """Losses, and the monitored measure with its best epoch, over the epochs.

    Args:
        rows: ``{"epoch": ..., "step": ..., "train/loss": ..., "val/...": ...}``; a row need not hold every name, and of
            several rows of an epoch that hold a name the last counts.
        monitor: ``task.monitor``.
        mode: ``task.mode``, ``"min"`` or ``"max"``.

    Returns:
        The figure, or None when no row holds a loss or the monitor.
    """
    series = {name: _series(rows, name) for name in {*LOSSES, monitor}}
    if not any(series.values()):
        return None
    panels = 1 if monitor in LOSSES else 2
    fig, axes = style.figure("Learning curves", height=3.8, columns=panels)
    for name, colour in LOSSES.items():
        _line(axes[0], series[name], colour, name)
    style.label(axes[0], x="epoch", y="loss")
    if panels == 2:
        _line(axes[1], series[monitor], style.BLUE, monitor)
        style.label(axes[1], x="epoch", y=monitor)
    if series[monitor]:
        better = min if mode == "min" else max
        epoch = better(series[monitor], key=series[monitor].__getitem__)
        axes[-1].axvline(epoch, color=style.ORANGE, linewidth=1, linestyle=(0, (4, 3)))
        best = series[monitor][epoch]
        axes[-1].plot(
            epoch, best, marker="o", color=style.ORANGE, markersize=6, label=f"best: {best:.4g}, epoch {epoch}"
        )
    epochs = {epoch for values in series.values() for epoch in values}
    for ax in axes:
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(epochs) == 1:
            # The axis would be too short for a whole number.
            ax.set_xlim(min(epochs) - 0.5, min(epochs) + 0.5)
        style.legend(ax)
    return fig


def _series(rows: Sequence[Row], name: str) -> dict[int, float]:
    """Value by epoch, where it is finite."""
    found: dict[int, float] = {}
    for row in rows:
        value, epoch = row.get(name), row.get("epoch")
        if value is not None and epoch is not None and math.isfinite(value):
            found[int(epoch)] = float(value)
    return found


def _line(ax: Axes, series: Mapping[int, float], colour: str, name: str) -> None:
    marker = "o" if len(series) <= 30 else None
    if series:
        ax.plot(
            list(series), list(series.values()), color=colour, linewidth=1.6, marker=marker, markersize=3, label=name
        )

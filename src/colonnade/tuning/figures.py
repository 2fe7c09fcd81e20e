"""Figures of a study: how it went, what mattered, and where the good points lie.

Optuna's own drawings set pyplot's style and need its backend, and their labels overlap. These are drawn on figures of
their own, from what Optuna knows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colonnade.core.files import write_atomic
from colonnade.report import style
from colonnade.tuning.scales import Scale
from colonnade.tuning.trials import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from optuna.study import Study

FIGURES = "figures"
PER_ROW = 3
MAX_OBJECTIVES = 3


def draw(study: Study, folder: Path) -> list[Path]:
    """Draw what the finished trials allow.

    ``history``; ``importances``, from two trials with different values; ``parallel`` and ``slice``, where parameters
    were sampled; and of several objectives ``pareto``. A figure replaces the one drawn before.

    Args:
        study: the study.
        folder: its figures lie in ``figures/`` below.

    Returns:
        The files; none without a finished trial.
    """
    trials = Trials(study)
    if not trials.done:
        return []
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _figures(trials):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        written.append(folder / FIGURES / f"{name}.png")
        write_atomic(written[-1], buffer.getvalue())
    return written


def _figures(trials: Trials) -> Iterator[tuple[str, Figure]]:
    n = min(len(trials.names), MAX_OBJECTIVES)
    yield "history", _history(trials, n)
    if any(trials.importances):
        yield "importances", _importances(trials)
    if trials.scales and len(trials.done) > 1:
        yield "parallel", _parallel(trials)
    for i in range(n if trials.scales else 0):
        yield "slice" if n == 1 else f"slice_{i}", _slice(trials, i)
    if n > 1:
        yield "pareto", _pareto(trials, n)


def _history(trials: Trials, n: int) -> Figure:
    """Values over the trials, the best so far, and marks where trials were pruned or failed."""
    from matplotlib.ticker import MaxNLocator

    fig, panels = style.figure(f"History of {_count(len(trials.done))}", height=3.8, columns=n)
    for i, ax in enumerate(panels):
        values, sign = trials.shown(i), trials.signs[i]
        costs = np.where(trials.feasible, sign * trials.values[:, i], np.inf)
        _dots(ax, trials.numbers, values, trials.feasible)
        if trials.feasible.any():
            best = np.minimum.accumulate(costs)
            first, at = int(np.argmax(np.isfinite(best))), int(np.argmin(costs))
            text = f"best: {sign * costs[at]:.4g}, trial {trials.numbers[at]}"
            ax.step(
                trials.numbers[first:], sign * best[first:], where="post", color=style.ORANGE, linewidth=1.6, label=text
            )
        for name, word, colour in (("PRUNED", "pruned", style.FAINT), ("FAIL", "failed", style.RED)):
            numbers = trials.ended[name]
            if numbers:
                label = f"{word}: {len(numbers)}"
                ax.scatter(
                    numbers,
                    np.zeros(len(numbers)),
                    transform=ax.get_xaxis_transform(),
                    marker="|",
                    color=colour,
                    label=label,
                    clip_on=False,
                    zorder=3,
                )
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        style.label(ax, x="trial", y=trials.names[i])
        style.legend(ax, "upper right" if sign > 0 else "lower right")
    return fig


def _importances(trials: Trials) -> Figure:
    """Bars of the parameters, the most important at the top."""
    keys = [scale.name for scale in trials.scales]
    mean = {key: np.mean([found.get(key, 0.0) for found in trials.importances]) for key in keys}
    keys.sort(key=lambda key: mean[key])
    fig, (ax,) = style.figure("Importance of the parameters", height=1.5 + 0.36 * len(keys))
    thick = 0.7 / len(trials.names)
    for i, (found, colour) in enumerate(zip(trials.importances, style.COLOURS)):
        at = np.arange(len(keys)) - (i - (len(trials.names) - 1) / 2) * thick
        shares = [found.get(key, 0.0) for key in keys]
        ax.barh(at, shares, height=thick, color=colour, label=trials.names[i] if len(trials.names) > 1 else None)
        for y, share in zip(at, shares):
            ax.annotate(
                f"{share:.0%}",
                (share, y),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.SMALL,
                color=style.INK,
            )
    ax.set_yticks(np.arange(len(keys)), labels=[style.shorten(key, 40) for key in keys], parse_math=False)
    ax.set_xlim(0, 1.12 * max(max(found.values(), default=0.0) for found in trials.importances))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    ax.grid(False, axis="y")
    style.label(ax, x="importance" if len(trials.names) > 1 else f"importance for {style.shorten(trials.names[0], 40)}")
    style.legend(ax, "lower right")
    return fig


def _parallel(trials: Trials) -> Figure:
    """A line for each trial through its parameters and values; the best ones stand out."""
    from matplotlib.collections import LineCollection

    objectives = [Scale(name, trials.shown(i)) for i, name in enumerate(trials.names)]
    scales = [*trials.scales, *objectives]
    fig, (ax,) = style.figure("Parameters and values", height=4.6)
    # A trial without a parameter passes below its axis.
    heights = np.stack([np.nan_to_num(scale.positions(), nan=-0.12) for scale in scales], axis=1)
    costs = trials.values[:, 0] * trials.signs[0]
    rank = np.argsort(np.argsort(costs, kind="stable")) / max(1, len(costs) - 1)
    best = trials.front()
    for mine, width in ((~best, 0.9), (best, 1.8)):
        order = np.flatnonzero(mine)[np.argsort(-costs[mine], kind="stable")]
        lines = [np.column_stack([np.arange(len(scales)), heights[i]]) for i in order]
        colours = [style.ORANGE if best[i] else _fading()(1 - rank[i]) for i in order]
        ax.add_collection(LineCollection(lines, colors=colours, linewidths=width, alpha=0.85))
    for i, scale in enumerate(scales):
        ax.axvline(i, color=style.FAINT, linewidth=1)
        for y, text in scale.ticks():
            last = i == len(scales) - 1
            ax.annotate(
                style.shorten(text, 14),
                (i, y),
                (-4 if last else 4, 0),
                textcoords="offset points",
                va="center",
                ha="right" if last else "left",
                fontsize=7.5,
                color=style.INK,
                parse_math=False,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
            )
    names = [*(trials.brief[scale.name] for scale in trials.scales), *trials.names]
    turned = len(names) > 5
    ax.set_xticks(
        range(len(names)),
        labels=names,
        parse_math=False,
        rotation=20 if turned else 0,
        ha="right" if turned else "center",
    )
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlim(-0.25, len(scales) - 0.75)
    ax.set_ylim(-0.16 if (heights < 0).any() else -0.05, 1.05)
    text = f"best {best.sum()} of {len(best)}" if len(trials.names) == 1 else "Pareto set"
    ax.plot([], [], color=style.ORANGE, linewidth=1.8, label=text)
    ax.legend(frameon=False, fontsize=style.SMALL, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
    return fig


def _slice(trials: Trials, objective: int) -> Figure:
    """The value over each parameter by itself; later trials are darker."""
    from matplotlib.ticker import MaxNLocator

    rows = -(-len(trials.scales) // PER_ROW)
    columns = min(PER_ROW, len(trials.scales))
    name = trials.names[objective]
    fig, (hidden,) = style.figure(f"{name} over each parameter", height=0.7 + 2.4 * rows)
    hidden.remove()
    grid = fig.subplots(rows, columns, squeeze=False, sharey=True)
    dots = None
    for ax, scale in zip(grid.flat, trials.scales):
        style.plain(ax)
        at = scale.values + (_jitter(len(scale.values)) if scale.choices else 0.0)
        dots = ax.scatter(
            at,
            trials.shown(objective),
            c=trials.numbers,
            cmap=_fading(),
            s=np.where(trials.feasible, 22, 10),
            edgecolors=style.BLUE,
            linewidths=0.4,
        )
        if scale.choices:
            labels = [style.shorten(choice, 14) for choice in scale.choices]
            angle, end = (30, "right") if sum(map(len, labels)) > 66 // columns else (0, "center")
            ax.set_xticks(range(len(labels)), labels=labels, parse_math=False, rotation=angle, ha=end)
            ax.set_xlim(-0.5, len(labels) - 0.5)
        elif scale.log:
            ax.set_xscale("log")
        else:
            ax.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=scale.whole))
        style.label(ax, x=trials.brief[scale.name], y=name if ax in grid[:, 0] else "")
    assert dots is not None
    bar = fig.colorbar(dots, ax=grid, fraction=0.03, pad=0.02)
    for ax in grid.flat[len(trials.scales) :]:
        ax.set_visible(False)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=style.SMALL, colors=style.INK, length=0)
    bar.set_label("trial", fontsize=style.SMALL, color=style.INK)
    return fig


def _pareto(trials: Trials, n: int) -> Figure:
    """Each pair of objectives, with the trials that none beats in all."""
    pairs = list(combinations(range(n), 2))
    fig, panels = style.figure(f"Pareto set of {_count(len(trials.done))}", height=4.4, columns=len(pairs))
    best = trials.front()
    for ax, (i, j) in zip(panels, pairs):
        x, y = trials.shown(i), trials.shown(j)
        _dots(ax, x, y, trials.feasible)
        order = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
        line = "-" if n == 2 else ""
        ax.plot(x[order], y[order], color=style.ORANGE, marker="o", markersize=5.5, linestyle=line, label="Pareto set")
        style.few_ticks(ax)
        style.label(ax, x=trials.names[i], y=trials.names[j])
        style.legend(ax)
    return fig


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray, feasible: np.ndarray) -> None:
    """Trials; hollow where they break a constraint."""
    ax.scatter(x[feasible], y[feasible], s=18, color=style.BLUE, alpha=0.7, linewidths=0)
    if not feasible.all():
        ax.scatter(x[~feasible], y[~feasible], s=18, facecolors="none", edgecolors=style.FAINT, label="infeasible")


def _jitter(n: int) -> np.ndarray:
    """Small shifts, the same each time, so that trials of one choice do not hide each other."""
    return 0.3 * ((np.arange(n) * 0.618034) % 1.0 - 0.5)


def _fading() -> Colormap:
    """From nearly white to the blue of all figures."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("fading", ["#e9eff6", style.LIGHT_BLUE, style.BLUE, "#1b4377"])


def _count(n: int) -> str:
    return f"{n} finished trial{'s' if n != 1 else ''}"

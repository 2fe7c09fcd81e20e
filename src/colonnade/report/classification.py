"""Figures of predicted classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MAX_CLASSES = 20
MAX_BARS = 30
N_BINS = 15
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def confusion(label: np.ndarray, truth: np.ndarray, classes: Sequence[str]) -> Figure:
    """Confusion matrix: shares of each true class, with counts. Of more than 20 classes the most frequent are shown.

    Args:
        label, truth: class indices ``(N,)``.
        classes: names, in order.
    """
    n = len(classes)
    counts = np.bincount(truth * n + label, minlength=n * n).reshape(n, n)
    shown = np.sort(np.argsort(-counts.sum(1), kind="stable")[:MAX_CLASSES])
    total = counts.sum(1, keepdims=True)
    counts, total = counts[np.ix_(shown, shown)], total[shown]
    share = np.divide(counts, total, where=total > 0, out=np.zeros(counts.shape))
    title = "Confusion matrix" if len(shown) == n else f"Confusion matrix, {len(shown)} most frequent of {n} classes"
    size = len(shown)
    height = min(4.2 + 0.22 * size, 8.0)
    fig, (ax,) = style.figure(title, height=height, width=min(style.WIDTH, height + 1.6))
    image = ax.imshow(share, cmap=_blues(), vmin=0, vmax=1)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    names = [style.shorten(classes[i]) for i in shown]
    turned = size > 6 or max(len(x) for x in names) * size > 60
    ax.set_xticks(
        range(size), labels=names, parse_math=False, rotation=45 if turned else 0, ha="right" if turned else "center"
    )
    ax.set_yticks(range(size), labels=names, parse_math=False)
    style.label(ax, x="predicted", y="true")
    fontsize = {True: 11.0, False: style.SMALL if size <= 10 else 6.5}[size <= 4]
    for i, j in np.ndindex(size, size):
        if counts[i, j] == 0 and size > 6:
            continue
        text = f"{share[i, j]:.0%}\n{style.count(int(counts[i, j]))}" if size <= 10 else f"{share[i, j]:.0%}"
        colour = "white" if share[i, j] > 0.55 else style.INK
        ax.text(j, i, text, ha="center", va="center", fontsize=fontsize, color=colour, linespacing=1.3)
    bar = fig.colorbar(image, ax=ax, fraction=0.04, pad=0.02, format=lambda x, _: f"{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=style.SMALL, colors=style.INK, length=0)
    bar.set_label("share of the true class", fontsize=style.SMALL, color=style.INK)
    return fig


def curves(probability: np.ndarray, truth: np.ndarray, positive: str) -> Figure:
    """ROC and precision-recall curve of the positive class, with marks where five thresholds lie.

    Args:
        probability: of the positive class, ``(N,)``.
        truth: 0 or 1, ``(N,)``.
        positive: name of the positive class.
    """
    fig, (left, right) = style.figure(
        f"Ranking by the probability of {style.shorten(positive, 40)}", height=4.2, columns=2
    )
    rate = truth.mean()
    if rate in (0, 1):
        for ax in (left, right):
            style.note(ax, "undefined: one class only")
        return fig
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    false_rate, true_rate, _ = roc_curve(truth, probability)
    left.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    left.fill_between(false_rate, true_rate, color=style.LIGHT_BLUE, alpha=0.35, linewidth=0)
    left.plot(false_rate, true_rate, color=style.BLUE, linewidth=1.8)
    area = roc_auc_score(truth, probability)
    style.label(left, x="false positive rate", y="true positive rate", title=f"ROC, area {area:.3f}")
    precision, recall, _ = precision_recall_curve(truth, probability, drop_intermediate=True)
    right.axhline(rate, color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    right.step(recall, precision, where="post", color=style.BLUE, linewidth=1.8)
    area = average_precision_score(truth, probability)
    style.label(right, x="recall", y="precision", title=f"Precision-recall, average precision {area:.3f}")
    marks = [_rates(probability >= threshold, truth == 1) for threshold in THRESHOLDS]
    _mark(left, [(m[0], m[1]) for m in marks], offset=(4, -11))
    _mark(right, [(m[1], m[2]) for m in marks], offset=(-18, -11))
    # Dots in a legend: what the numbers in the drawing are.
    left.plot([], [], linestyle="none", marker="o", markersize=4.5, color=style.ORANGE, label="at this threshold")
    style.legend(left, loc="lower right")
    for ax in (left, right):
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.04)
        ax.set_aspect("equal", adjustable="box")
    return fig


def reliability(believed: np.ndarray, came_true: np.ndarray, what: str) -> Figure:
    """Reliability diagram over 15 bins, above a histogram of what was predicted.

    Args:
        believed: predicted probabilities ``(N,)``.
        came_true: 0 or 1, ``(N,)``.
        what: label of the x-axis.
    """
    fig, (hidden,) = style.figure("Reliability", height=4.8)
    hidden.remove()
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    style.plain(top)
    style.plain(bottom)
    mean, frequency, n = binned(believed, came_true)
    low, high = wilson(frequency, n)
    error = (n * np.abs(mean - frequency)).sum() / n.sum()
    top.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    top.vlines(mean, low, high, color=style.BLUE, linewidth=1.4, alpha=0.6, label="95 % interval of the frequency")
    top.plot(mean, frequency, color=style.BLUE, linewidth=1.5, marker="o", markersize=5, label="observed")
    style.label(top, y="observed frequency", title=f"expected calibration error {error:.3f}")
    style.legend(top, loc="upper left")
    top.set_ylim(-0.03, 1.03)
    top.set_xlim(-0.01, 1.01)
    bottom.hist(believed, bins=np.linspace(0, 1, 41), color=style.LIGHT_BLUE, edgecolor="white", linewidth=0.5)
    style.label(bottom, x=what, y="rows")
    return fig


def binned(believed: np.ndarray, came_true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean belief, frequency and number of rows of each of 15 bins of equal width that has any.

    Args:
        believed: predicted probabilities ``(N,)``.
        came_true: 0 or 1, ``(N,)``.
    """
    bins = np.clip((believed * N_BINS).astype(int), 0, N_BINS - 1)
    n = np.bincount(bins, minlength=N_BINS)
    filled = n > 0
    mean = np.bincount(bins, weights=believed, minlength=N_BINS)[filled] / n[filled]
    return mean, np.bincount(bins, weights=came_true, minlength=N_BINS)[filled] / n[filled], n[filled]


def class_bars(label: np.ndarray, truth: np.ndarray, classes: Sequence[str]) -> Figure:
    """Precision, recall and F1 score of each class, with the number of its rows. The most frequent 30 are shown.

    Args:
        label, truth: class indices ``(N,)``.
        classes: names, in order.
    """
    n = len(classes)
    support = np.bincount(truth, minlength=n)
    predicted = np.bincount(label, minlength=n)
    right = np.bincount(truth[label == truth], minlength=n)
    scores = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, support),
        "F1 score": _ratio(2 * right, predicted + support),
    }
    return _bars("Classes", scores, [style.shorten(c) for c in classes], support, n)


def label_bars(label: np.ndarray, probability: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Figure:
    """F1 score and area under the ROC curve of each label, with the number of its rows. The most frequent 30 are shown.

    Args:
        label, probability, truth: ``(N, L)``.
        names: of the labels.
    """
    from sklearn.metrics import roc_auc_score

    support = truth.sum(0)
    both = (support > 0) & (support < len(truth))
    area = [roc_auc_score(truth[:, i], probability[:, i]) if both[i] else np.nan for i in range(len(names))]
    right = (label * truth).sum(0)
    scores = {"F1 score": _ratio(2 * right, label.sum(0) + support), "area under ROC": np.asarray(area)}
    return _bars("Labels", scores, [style.shorten(x) for x in names], support, len(names))


def _bars(title: str, scores: dict[str, np.ndarray], names: Sequence[str], support: np.ndarray, n: int) -> Figure:
    """Horizontal dots of several scores for each name, the worst of the last score at the bottom."""
    shown = np.argsort(-support, kind="stable")[:MAX_BARS]
    last = list(scores.values())[-1][shown]
    shown = shown[np.argsort(np.nan_to_num(last, nan=-1.0), kind="stable")]
    title = title if len(shown) == n else f"{title}, {len(shown)} most frequent of {n}"
    fig, (ax, side) = style.figure(title, height=1.6 + 0.28 * len(shown), columns=2, width_ratios=(4, 1))
    at = np.arange(len(shown))
    stacked = np.stack([values[shown] for values in scores.values()])
    ax.hlines(at, np.fmin.reduce(stacked), np.fmax.reduce(stacked), color=style.GRID, linewidth=4)
    for (name, values), colour, marker in zip(scores.items(), style.COLOURS, ("o", "D", "s")):
        ax.plot(values[shown], at, linestyle="none", marker=marker, markersize=6, color=colour, label=name)
    ax.set_xlim(-0.02, 1.02)
    ax.set_yticks(at, labels=[names[i] for i in shown], parse_math=False)
    ax.set_ylim(-0.7, len(shown) - 0.3)
    ax.grid(False, axis="y")
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        frameon=False,
        fontsize=style.SMALL,
        borderpad=0,
    )
    side.barh(at, support[shown], color=style.LIGHT_BLUE, height=0.6)
    for y, rows in zip(at, support[shown]):
        side.annotate(
            style.count(int(rows)),
            (rows, y),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
            color=style.INK,
        )
    side.set_xlim(0, support[shown].max() * 1.6 + 1)
    side.set_ylim(ax.get_ylim())
    side.set_xticks([])
    side.set_yticks([])
    side.grid(False)
    side.spines["bottom"].set_visible(False)
    style.label(side, title="rows")
    return fig


def _mark(ax: Axes, points: list[tuple[float, float]], offset: tuple[int, int]) -> None:
    """Dots where the thresholds lie; a threshold too near the one before stays without its number."""
    last: tuple[float, float] | None = None
    for threshold, (x, y) in zip(THRESHOLDS, points):
        if np.isnan(x) or np.isnan(y):
            continue
        ax.plot(
            x, y, marker="o", markersize=4.5, color=style.ORANGE, markeredgecolor="white", markeredgewidth=0.6, zorder=3
        )
        if last is None or max(abs(x - last[0]), abs(y - last[1])) > 0.06:
            ax.annotate(
                f"{threshold:g}", (x, y), offset, textcoords="offset points", fontsize=style.SMALL, color=style.ORANGE
            )
            last = x, y


def _rates(chosen: np.ndarray, positive: np.ndarray) -> tuple[float, float, float]:
    """False positive rate, true positive rate (recall) and precision; NaN precision where nothing is chosen."""
    hits = (chosen & positive).sum()
    precision = hits / chosen.sum() if chosen.any() else np.nan
    return float((chosen & ~positive).sum() / (~positive).sum()), float(hits / positive.sum()), float(precision)


def wilson(p: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a frequency (Wilson, 1927)."""
    z = 1.96
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, NaN where whole is 0."""
    return np.divide(part, whole, where=whole > 0, out=np.full(len(whole), np.nan))


def _blues() -> Colormap:
    """White to the blue of all figures."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blues", ["#ffffff", style.LIGHT_BLUE, style.BLUE, "#1b4377"])

"""Figures of feature selection: what each step measured, and what it kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from colonnade.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from colonnade.data.steps.base import Verdict

MAX_COLUMNS = 40
"""Columns that are drawn, those of the highest scores."""


def selection(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, Figure]:
    """A figure for each step that selected: the score of each column, its limit, and whether it stayed.

    Args:
        verdicts: by the name of the step.

    Returns:
        Figures named ``selected_<step>``.
    """
    return {f"selected_{step}": _draw(step, columns) for step, columns in verdicts.items()}


def _draw(step: str, verdicts: Sequence[Verdict]) -> Figure:
    shown = sorted(verdicts, key=lambda verdict: -verdict.score)[:MAX_COLUMNS][::-1]
    kept = sum(verdict.kept for verdict in verdicts)
    title = f"{step}: {kept} of {len(verdicts)} columns kept"
    if len(shown) < len(verdicts):
        title += f", the first {len(shown)} by score"
    figure, (ax,) = style.figure(title, height=1.2 + 0.22 * len(shown))
    places = range(len(shown))
    for stays, colour, text in ((True, style.BLUE, "kept"), (False, style.ORANGE, "dropped")):
        some = [i for i in places if shown[i].kept == stays]
        if some:
            ax.barh(some, [shown[i].score for i in some], color=colour, height=0.7, label=text)
    limits = [verdict.limit for verdict in shown]
    ax.scatter(limits, list(places), marker="|", s=70, color=style.INK, zorder=3, label="limit")
    ax.set_yticks(list(places), [style.shorten(verdict.column, 32) for verdict in shown], parse_math=False)
    ax.grid(visible=False, axis="y")
    style.label(ax, x="score")
    style.legend(ax, "lower right")
    return figure

"""The leaderboard in a terminal, fitted into its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from colonnade.report.ranking import Group, Row, ranking
from colonnade.report.sheet import NOTHING, Cell, Column, Sheet, sheet
from colonnade.report.wording import brief, failures, whereabouts

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

T = TypeVar("T")
# A folder is folded to this width, settings that share a column likewise; less is unreadable.
FOLDED = 24
# Settings that take more than this share of the width share a column.
SETTINGS = 0.45
# Blanks between two columns.
GAP = 3
TOP = 30
MAX_FAILURES = 10


def table(rows: Sequence[Row], *, title: str, top: int = TOP, width: int | None = None) -> Table:
    """The best settings first, and below the table what failed.

    Args:
        rows: all runs.
        title: heading.
        top: number of lines, at most.
        width: number of characters in a line; None: as the terminal has.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = Console().width if width is None else width
    groups = ranking(rows)
    shown = groups[:top]
    whole = _fitted(shown, width)
    caption = _caption(groups, top)
    result = Table(
        title=_plain(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption=caption,
        caption_justify="left",
        caption_style="",
        # A caption is no wider than its table, and errors are long.
        min_width=min(width - 2, 80, len(caption.plain)) if caption else None,
    )
    for column, least in zip(whole.columns, _widths(whole)):
        folds = column.kind in ("setting", "folder", "runs")
        result.add_column(
            _plain(_heading(column, whole.columns)),
            justify="right" if column.numeric else "left",
            no_wrap=not folds,
            min_width=least - GAP if folds else None,
            overflow="fold",
        )
    for i, (group, line) in enumerate(zip(shown, whole.lines)):
        ends = i + 1 < len(shown) and shown[i + 1].problem != group.problem
        result.add_row(*(_plain(cell.text) for cell in line), style=_style(group), end_section=ends)
    return result


def _fitted(groups: Sequence[Group], width: int) -> Sheet:
    """As many columns as fit: settings share one if need be, further metrics are left out, then what it cost."""
    whole = sheet(groups, extras=2, compact=True)
    widths = zip(whole.columns, _widths(whole))
    if sum(taken for column, taken in widths if column.kind == "setting") > SETTINGS * width:
        whole = _joined(whole)
    while sum(_widths(whole)) > width:
        kinds = [column.kind for column in whole.columns]
        kind = next((kind for kind in ("further", "cost", "folder") if kind in kinds), None)
        if kind is None:
            break
        last = len(kinds) - 1 - kinds[::-1].index(kind)
        whole = Sheet(_without(last, whole.columns), tuple(_without(last, line) for line in whole.lines))
    return whole


def _widths(whole: Sheet) -> list[int]:
    """Width that each column needs, with what is between two."""
    widths = []
    for i, column in enumerate(whole.columns):
        texts = [_heading(column, whole.columns), *(line[i].text for line in whole.lines)]
        needed = max(map(len, texts))
        if column.kind == "runs":
            # Folded between words.
            needed = max(len(word) for text in texts for word in text.replace(" of ", "_of_").split())
        elif column.kind in ("setting", "folder"):
            needed = min(needed, FOLDED)
        widths.append(needed + GAP)
    return widths


def _without(i: int, cells: tuple[T, ...]) -> tuple[T, ...]:
    return (*cells[:i], *cells[i + 1 :])


def _joined(whole: Sheet) -> Sheet:
    """The same with one column for all settings."""
    own = [i for i, column in enumerate(whole.columns) if column.kind == "setting"]
    names = [_heading(whole.columns[i], whole.columns) for i in own]

    def put(new: T, cells: tuple[T, ...]) -> tuple[T, ...]:
        return (*cells[: own[0]], new, *cells[own[-1] + 1 :])

    lines = []
    for line in whole.lines:
        told = [f"{name}={line[i].text}" for name, i in zip(names, own) if line[i].text != NOTHING]
        lines.append(put(Cell(" ".join(told)), line))
    return Sheet(put(Column("settings", "setting"), whole.columns), tuple(lines))


def _heading(column: Column, columns: Iterable[Column]) -> str:
    if column.kind != "setting":
        return column.name
    return brief([other.name for other in columns if other.kind == "setting"])[column.name]


def _caption(groups: Sequence[Group], top: int) -> Text | None:
    """What must be known to read the table, and what failed."""
    from rich.text import Text

    rows = [row for group in groups for row in group.rows]
    notes = [whereabouts(rows)] if whereabouts(rows) else []
    if any(len(group.rows) > 1 for group in groups):
        notes.append("several seeds: mean ± standard deviation")
    if len(groups) > top:
        notes.append(f"{len(groups) - top} more lines are not shown")
    lines = [Text(note, style="dim") for note in notes]
    failed = failures(rows)
    for failure in failed[:MAX_FAILURES]:
        lines.append(Text.assemble(("failed ", "red"), str(failure)))
    if len(failed) > MAX_FAILURES:
        lines.append(Text(f"and {len(failed) - MAX_FAILURES} other failures"))
    return Text("\n").join(lines) if lines else None


def _style(group: Group) -> str | None:
    if group.rank == 1:
        return "bold cyan"
    return "dim" if group.rank is None else None


def _plain(text: str) -> Text:
    """Text in which a bracket is a bracket, not markup."""
    from rich.text import Text

    return Text(text)

"""Listing: columns, targets and doubts as ``inspect`` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from colonnade.cli.findings import Findings
    from colonnade.data.table import Table

_NAME = 34


def show_columns(console: Console, table: Table, findings: Findings) -> None:
    """Print a line for each column: its kind, what is missing, and its values."""
    from rich.markup import escape
    from rich.table import Table as Grid

    width = console.width
    frame, schema = table.frame, table.schema
    doubted = {column: grave for column, _, grave in reversed(findings.doubts)}
    marks = {None: "", False: " [yellow]?[/]", True: " [red]![/]"}
    kinds = [_kind_and_role(table, name) for name in schema.columns]
    # Widths are set here, because Rich would drop whole columns to make room for long values.
    widths = (min(_NAME, width // 3, max(map(len, schema.columns)) + 2), max(map(len, kinds)), 7, 8)
    rest = max(10, width - sum(widths) - 2 * len(widths))
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header, size in zip(("column", "kind", "missing", "distinct", "values"), (*widths, rest)):
        justify: JustifyMethod = "right" if header in ("missing", "distinct") else "left"
        grid.add_column(header, justify=justify, width=size, no_wrap=True, overflow="ellipsis")
    for name, kind in zip(schema.columns, kinds):
        share = frame[name].null_count() / frame.height
        grid.add_row(
            escape(name if len(name) <= widths[0] - 2 else f"{name[: widths[0] - 3]}…") + marks[doubted.get(name)],
            kind,
            f"{share:.1%}" if share else "",
            f"{frame[name].n_unique() - (share > 0):,}",
            escape(_values(table, name)),
            style="dim" if name not in schema.features and name not in schema.targets else "",
        )
    console.print(grid)


def show_doubts(console: Console, findings: Findings, *, everything: str) -> None:
    """Print doubts, the grave ones first.

    Args:
        console: where to.
        findings: what there is to say.
        everything: what a doubt is about that names no column.
    """
    from rich.markup import escape
    from rich.table import Table as Grid

    if findings.doubts:
        console.print("\n[bold]Doubts[/]")
        listing = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        listing.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
        listing.add_column()
        for about, text, grave in findings.doubts:
            style = "red" if grave else "yellow"
            listing.add_row(f"[{style}]{escape(about) or everything}[/]", escape(text))
        console.print(listing)


def _kind_and_role(table: Table, name: str) -> str:
    schema = table.schema
    if name in schema.exclude:
        return "excluded"
    roles = {schema.weight: "weight", schema.group: "group", schema.time: "time", schema.row_id: "row id"}
    role = "target" if name in schema.targets else roles.get(name)
    kind = str(schema.columns[name].kind)
    return f"{kind}, {role}" if role else kind


def _values(table: Table, name: str) -> str:
    """The range of numbers and times; the most frequent of other values."""
    from colonnade.data.doubts import count_values

    series = table.frame[name].drop_nulls()
    if series.len() == 0:
        return ""
    if series.dtype.is_numeric():
        ends = (series.min(), series.median(), series.max())
        return " .. ".join(_number(v) for v in ends)
    if series.dtype.is_temporal():
        return " .. ".join(str(v).removesuffix(" 00:00:00") for v in (series.min(), series.max()))
    counts = count_values(series.cast(str)).head(4)
    shown = [str(v) if len(str(v)) <= 24 else f"{v!s:.23}…" for v in counts["value"].to_list()]
    return ", ".join(shown)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def target_text(table: Table, findings: Findings) -> str:
    """The target in words: its task, and its classes or its spread."""
    from colonnade.data.doubts import count_values

    names = ", ".join(table.schema.targets)
    if findings.task is None:
        return f"{names}: cannot be learned as it stands"
    text = f"{names}: {findings.task}"
    if findings.kind is not None and findings.kind.value == "class":
        counts = count_values(table.frame[names])
        total = int(counts["count"].sum())
        shares = [f"{value} {n / total:.1%}" for value, n in counts.head(6).rows()]
        more = f", and {len(counts) - 6} more" if len(counts) > 6 else ""
        return f"{text}, {len(counts)} classes: {', '.join(shares)}{more}"
    if findings.kind is not None and findings.kind.value == "multilabel":
        shares = [f"{name} {table.frame[name].cast(float).sum() / len(table):.1%}" for name in table.schema.targets]
        return f"{text}, positive: {', '.join(shares)}"
    moments = table.frame.select(table.schema.targets).describe(())
    rows = {row[0]: row[1:] for row in moments.rows()}
    spread = [
        f"{name} {float(mean):.6g} ± {float(deviation):.4g}"
        for name, mean, deviation in zip(table.schema.targets, rows["mean"], rows["std"])
    ]
    return f"{text}, mean and deviation: {'; '.join(spread)}"

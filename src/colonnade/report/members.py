"""Members: the table of an ensemble, each run beside the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from colonnade.report.table import number
from colonnade.report.wording import base_of

if TYPE_CHECKING:
    from rich.table import Table


def members_table(result: Mapping[str, Any]) -> Table:
    """A line for each run, the best on the validation rows first, and one for the whole.

    Args:
        result: content of ``result.json`` of an ensemble.
    """
    import os

    from rich.table import Table
    from rich.text import Text

    told = result["ensemble"]
    measure = told["measure"]
    parts = [part for part in ("val", "test") if told["rows"][part]]
    table = Table(title=Text(f"{result['task']}: {told['method']}"), title_justify="left", title_style="bold")
    table.add_column("run", overflow="fold")
    table.add_column("weight", justify="right")
    for part in parts:
        table.add_column(f"{part}/{measure} ({told['rows'][part]:,} rows)", justify="right")
    sign = -1 if result["mode"] == "max" else 1
    base = base_of(entry["run"] for entry in told["members"])
    for entry in sorted(told["members"], key=lambda entry: sign * (entry["val"] or 0.0)):
        name = os.path.relpath(entry["run"], base) if base else entry["run"]
        weight = "" if entry["weight"] is None else f"{entry['weight']:.3f}"
        table.add_row(Text(name), weight, *(number(entry[part]) for part in parts))
    table.add_section()
    whole = [number(result["metrics"][part][measure]) for part in parts]
    table.add_row("together", "", *whole, style="bold cyan")
    return table

"""The table that ``colonnade explain`` ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colonnade.explain.explanation import Explanation, View, convergence
from colonnade.report.faithfulness import faithfulness

if TYPE_CHECKING:
    from rich.console import Group

MAX_COLUMNS = 20


def importance_table(explanation: Explanation, view: View) -> Group:
    """Columns by importance, the first twenty; below them how faithful the contributions are.

    Args:
        explanation: what was found.
        view: one of its targets.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    found, removed = view.importance, view.deletion
    notes = [f"{explanation.unit if view.base is not None else 'shares of attention'}, {len(view.score)} rows"]
    if view.delta is not None:
        notes.append(f"not attributed: {convergence(view.delta, view.values)['share']:.1%}")
    notes.append(f"deletion: {faithfulness(removed)}")
    table = Table(
        title=Text(f"{view.target}: {explanation.method.replace('_', ' ')}"),
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    table.add_column("column")
    table.add_column("mean |contribution|", justify="right")
    table.add_column("95 % interval", justify="right")
    order = np.argsort(-found.mean, kind="stable")
    for i in order[:MAX_COLUMNS]:
        interval = f"{found.low[i]:.3g} to {found.high[i]:.3g}"
        table.add_row(Text(explanation.columns[i]), f"{found.mean[i]:.3g}", interval)
    if len(order) > MAX_COLUMNS:
        table.add_row(Text(f"{len(order) - MAX_COLUMNS} further ones"), f"<= {found.mean[order[MAX_COLUMNS]]:.3g}", "")
    # Below it and not its caption, which would be as narrow as the table.
    return Group(table, Text("\n".join(notes)))

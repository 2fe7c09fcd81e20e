"""Findings: what a look at data gave, and the look at a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colonnade.core.errors import DataError

if TYPE_CHECKING:
    from colonnade.core.schema import TargetKind
    from colonnade.data.leakage import Leak
    from colonnade.data.table import Table


@dataclass
class Findings:
    """What a look at a table gave.

    Args:
        kind: kind of the target; None without one, or when it cannot be learned.
        task: name of the task that fits, or None.
        doubts: ``(column, text, grave)``; an empty column is the whole table.
        leaks: columns that say too much.
    """

    kind: TargetKind | None
    task: str | None
    doubts: list[tuple[str, str, bool]]
    leaks: list[Leak]


def look(table: Table, waive: Sequence[str] = ()) -> Findings:
    """Everything that inference, the examination and the leakage test have to say."""
    from colonnade.data.doubts import examine, listed
    from colonnade.data.infer import target_doubt, target_kind
    from colonnade.data.leakage import find_leaks

    frame, schema = table.frame, table.schema
    doubts: list[tuple[str, str, bool]] = []
    for note in table.notes:
        column = next((c for c in schema.columns if note.startswith(f"{c}: ")), "")
        doubts.append((column, note.removeprefix(f"{column}: ") if column else note, False))
    kind, task, leaks = None, None, []
    if schema.targets:
        try:
            kind, task = target_kind(frame, schema)
        except DataError as error:
            doubts.append((schema.targets[0], str(error), True))
        else:
            leaks = [leak for leak in find_leaks(frame, schema, kind) if leak.column not in waive]
    doubts += [(d.column, d.text, False) for d in (*target_doubt(frame, schema), *examine(frame, schema, kind))]
    for leak in leaks:
        text = leak.text.removeprefix(f"column '{leak.column}' ")
        fix = (
            f"; excluded in the YAML, data.waive={listed(leak.column)} if it is known beforehand" if leak.stops else ""
        )
        doubts.append((leak.column, text + fix, leak.stops))
    order = {name: i for i, name in enumerate(schema.columns)}
    return Findings(kind, task, sorted(doubts, key=lambda d: (not d[2], order.get(d[0], len(order)))), leaks)

"""The division that a table suggests by its roles."""

from __future__ import annotations

from typing import Literal

from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Divider
from colonnade.data.split.ordered import Time
from colonnade.data.split.shuffled import Group, Random, Stratified
from colonnade.data.table import Table


def suggest(
    table: Table,
    kind: TargetKind,
    *,
    val: float = 0.16,
    test: float = 0.2,
    group_duplicates: bool = False,
    rare: Literal["error", "train"] = "error",
) -> Divider:
    """By ``data.group`` if there is one, else by ``data.time``, else stratified for classes, else random.

    Args:
        table: as read.
        kind: kind of the target.
        val, test: shares of the rows.
        group_duplicates: rows with the same features stay in one part (random and stratified).
        rare: see :class:`~colonnade.data.split.shuffled.Stratified`.
    """
    if table.schema.group is not None:
        return Group(val=val, test=test)
    if table.schema.time is not None:
        return Time(val=val, test=test)
    if kind is TargetKind.CLASS:
        return Stratified(val=val, test=test, group_duplicates=group_duplicates, rare=rare)
    return Random(val=val, test=test, group_duplicates=group_duplicates)

"""The data file that ``inspect`` writes: everything inferred, said explicitly, for a person to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from colonnade.core.schema import Schema
from colonnade.data.leakage import Leak

_HEADER = """# Written by `colonnade inspect`. Correct what is wrong; what is deleted is inferred again.
# Kinds: numeric, integer, boolean, categorical, ordinal (with data.levels), datetime (or "datetime:%d/%m/%Y"), text,
# and id, which is left out.
"""
_INFERRED = ("columns", "levels", "exclude", "target", "name")


def data_yaml(
    schema: Schema,
    given: Mapping[str, Any],
    *,
    name: str,
    task: str | None,
    base: str = "table",
    leaks: Sequence[Leak] = (),
) -> str:
    """Text of ``conf/data/<name>.yaml``.

    Args:
        schema: as inferred; every kind is written down, with the format of dates, and the key that was found.
        given: what the user set below ``data``, such as ``path`` and ``delimiter``; it is kept as it was typed.
        name: of the data set.
        task: name of the task; None leaves it to the target.
        base: the file that it builds on: ``table``, ``sequences`` or ``steps``.
        leaks: columns that give the target away; they are excluded.

    Returns:
        YAML that composes as ``data=<name>``.
    """
    defaults: list[Any] = [base, "_self_"]
    if task is not None:
        defaults.insert(1, {"override /task@_global_.task": task})
    if task == "forecast":
        # Series are divided by time within each of them.
        defaults.insert(2, {"override /split@_global_.split": "horizon"})
    exclude = dict(schema.exclude) | {leak.column: "leak" for leak in leaks if leak.stops}
    columns, levels = {}, {}
    for column in schema.columns.values():
        if column.name in exclude:
            continue
        columns[column.name] = str(column.kind)
        if column.format is not None:
            columns[column.name] += f":{column.format}"
        elif column.levels:
            levels[column.name] = list(column.levels)
    blocks: list[dict[str, Any]] = [
        {"defaults": defaults},
        {"name": name} | {key: value for key, value in given.items() if key not in _INFERRED},
    ]
    if schema.targets:
        blocks[1]["target"] = schema.targets[0] if len(schema.targets) == 1 else list(schema.targets)
    if schema.row_id is not None:
        blocks[1]["row_id"] = schema.row_id
    blocks += [{key: value} for key, value in (("columns", columns), ("levels", levels), ("exclude", exclude)) if value]
    text = "\n".join(yaml.safe_dump(b, sort_keys=False, allow_unicode=True, width=110) for b in blocks)
    return _HEADER + "\n" + text

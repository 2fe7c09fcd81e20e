"""Conform: new rows are brought, by name, into the columns that a model was trained on."""

from __future__ import annotations

import logging

import polars as pl

from colonnade.core.errors import Faults, SchemaError, closest
from colonnade.core.schema import Schema
from colonnade.data.cast import Infinite, cast_into

log = logging.getLogger(__name__)


def conform(
    frame: pl.DataFrame,
    schema: Schema,
    *,
    need_target: bool,
    where: str,
    timezone: str | None = None,
    infinite: Infinite = "error",
    first_line: int | None = None,
) -> pl.DataFrame:
    """Order, check and type the columns of new rows.

    Features are needed; so are the targets and the weight when ``need_target``. The row id and the group are kept when
    they are there. Everything else, excluded columns too, is ignored; what the schema does not know is logged.

    Args:
        frame: as read.
        schema: of the table a model was trained on.
        need_target: the rows are to be measured, not only predicted.
        where: file, for messages.
        timezone: IANA zone of local times.
        infinite: what becomes of inf, see :func:`~colonnade.data.cast.cast`.
        first_line: line of the file that holds the first row; None: messages count rows from 0.

    Returns:
        The columns that the model needs, in the order of the schema, typed by it.

    Raises:
        SchemaError: the whole difference: columns that are missing, and values that are not of their column's kind.
    """
    needed = {*schema.features}
    optional = {name for name in (schema.row_id, schema.group) if name is not None}
    if need_target:
        needed |= {*schema.targets} | ({schema.weight} if schema.weight is not None else set())
    names = [name for name in schema.columns if name in needed or name in optional]
    faults = Faults()
    for name in names:
        if name in needed and name not in frame.columns:
            kind = schema.columns[name].kind
            faults.add(f"column '{name}' ({kind}) is missing{closest(name, set(frame.columns) - set(schema.columns))}")
    extra = [name for name in frame.columns if name not in schema.columns]
    part = Schema({name: schema.columns[name] for name in names}, targets=schema.targets, weight=schema.weight)
    typed = cast_into(faults, frame, part, timezone, infinite, first_line, trained=True)
    if len(faults) and extra:
        faults.add(f"not known to the model, ignored: {', '.join(extra)}")
    faults.raise_if_any(SchemaError, f"{where}: the columns are not those the model was trained on")
    if extra:
        log.info("%s: columns that the model does not know are ignored: %s", where, ", ".join(extra))
    return typed

"""Inference: the schema of a table that nobody has described, with what is doubtful about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from colonnade.core.errors import DataError, Faults, SchemaError, closest
from colonnade.core.schema import DEFAULT_MISSING, Column, Kind, Schema, TargetKind
from colonnade.data.cast import cast, strip_and_blank
from colonnade.data.datetimes import ISO
from colonnade.data.doubts import Doubt, count_values, quoted
from colonnade.data.probe import Probe

__all__ = ["Doubt", "cast", "infer_schema", "target_kind"]

_SAMPLE = 20_000
_MANY_LEVELS = 1000
MAX_CLASSES = 20
"""An integer target with more distinct values than this is a number."""
ROWS_PER_CLASS = 10
"""An integer target with fewer rows per distinct value than this is a number."""


def infer_schema(
    frame: pl.DataFrame,
    *,
    target: str | Sequence[str] | None = None,
    declared: Mapping[str, str] | None = None,
    levels: Mapping[str, Sequence[Any]] | None = None,
    missing: Sequence[str] = DEFAULT_MISSING,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    row_id: str | None = None,
    exclude: Mapping[str, str] | None = None,
    gaps: Mapping[str, pl.Series] | None = None,
) -> tuple[Schema, list[Doubt]]:
    """Find the kind of every column that is not declared.

    Kinds are judged on some 20,000 rows spread over the file; what would make :func:`cast` fail is judged on all rows.
    The rules, in order:

    * 0/1 integers, true/false and yes/no are boolean.
    * Text of which 95 % of the distinct values are numbers is integer or numeric, unless one has a leading zero or does
      not fit 64 bits: those are codes. Dates are found in ISO 8601 and the common formats.
    * A different integer in every row (consecutive, or named like a key) and a different word in every row are ids; a
      repeated integer named like a key is categorical.
    * Text of three or more words, a fifth of it distinct, is text; three or more words of a known scale, such as low,
      medium and high, are ordinal; other text is categorical.
    * The only id becomes the row id, unless another column is.
    * A target is never an id, and its labels stay as written.

    Args:
        frame: as read, at least one row; columns are text (CSV) or typed (Parquet).
        target: name or names of the targets; None: only features.
        declared: kind of a column by name; ``"datetime:%d/%m/%Y"`` declares the format too.
        levels: ordered values of ordinal columns, or the categories of categorical ones.
        missing: tokens that mean missing.
        weight, group, time, row_id: column with that role.
        exclude: columns that are no features, with the reason.
        gaps: what a file holds, in its first rows, where a column of text is null already.

    Returns:
        The schema, and the doubts about it in column order.

    Raises:
        SchemaError: names that the frame lacks, unknown kinds, unusable types, values outside declared levels.
    """
    declared, levels, exclude = dict(declared or {}), dict(levels or {}), dict(exclude or {})
    targets = (target,) if isinstance(target, str) else tuple(target or ())
    roles = {"weight": weight, "group": group, "time": time, "row_id": row_id}
    tokens = tuple(missing)
    others = {*targets, *roles.values(), *exclude}
    faults = Faults()
    if frame.height == 0:
        faults.add("the table has columns but no rows")
    _check_names(frame, targets, roles, {"columns": declared, "levels": levels, "exclude": exclude}, faults)
    sample = frame.gather_every(max(1, frame.height // _SAMPLE))
    columns: dict[str, Column] = {}
    doubts: list[Doubt] = []
    for name in frame.columns:
        series = frame[name]
        if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            if name not in exclude:
                faults.add(f"column '{name}' holds {series.dtype}: flatten it, or data.exclude.{quoted(name)}=nested")
            continue
        column = Column(name, Kind.TEXT, missing=tokens)
        if name in levels:
            column.levels = tuple(str(v) for v in levels[name])
        if name in declared:
            _declare(column, declared[name], faults)
        elif name in levels:
            column.kind = Kind.ORDINAL
        elif name in exclude:
            column.kind = Kind.TEXT  # it is never looked at, so nothing in it can be at fault
        elif name in (weight, row_id):
            column.kind = Kind.NUMERIC if name == weight else Kind.ID
        else:
            probe = Probe(series, sample[name], tokens, target=name in targets)
            column.kind = probe.kind()
            column.format, column.levels = probe.format, probe.levels
            if name in (group, time) and column.kind is Kind.ID:
                column.kind = Kind.INTEGER if series.dtype.is_integer() else Kind.CATEGORICAL
                probe.doubts = [d for d in probe.doubts if d.kind != "id"]
            found = probe.doubts + _missing_tokens(sample[name], column, (gaps or {}).get(name), series)
            doubts += found
            column.note = found[0].text if found else ""
        if name in levels:
            _check_levels(column, series, faults)
        if name not in others:
            doubts += _many_levels(sample[name], column, series)
        columns[name] = column
    if time in columns and columns[time].kind not in (Kind.DATETIME, Kind.INTEGER, Kind.NUMERIC):
        faults.add(f"data.time={time} is {columns[time].kind}, not a time: data.columns.{quoted(time)}=datetime")
    faults.raise_if_any(SchemaError, "the schema does not fit the table")
    keys = [n for n, c in columns.items() if c.kind is Kind.ID and n not in others]
    if row_id is None and len(keys) == 1:
        roles["row_id"] = keys[0]
        said = "; predict hands it on, as data.row_id"
        doubts = [replace(d, text=d.text + said) if (d.column, d.kind) == (keys[0], "id") else d for d in doubts]
    schema = Schema(columns, targets, exclude=exclude, **roles)
    return schema, doubts


def target_kind(frame: pl.DataFrame, schema: Schema) -> tuple[TargetKind, str]:
    """What the target is, and the task that fits it.

    Text and booleans are classes. Integers are classes when there are two values, or at most 20 that leave no more gaps
    than values and have 10 rows each on average; otherwise, like floats, they are numbers. Several targets are labels
    when all are 0/1, numbers when all are numbers. Where the rule is wrong, ``task=`` says so.

    Args:
        frame: typed by :func:`cast`.
        schema: its schema, with targets.

    Returns:
        The kind, and ``"binary"``, ``"multiclass"``, ``"multilabel"`` or ``"regression"``.

    Raises:
        DataError: no target; a target that is all missing or has one value; classes as many as rows; mixed targets.
    """
    if not schema.targets:
        raise DataError("no target is declared: data.target=<column>")
    faults = Faults()
    for name in schema.targets:
        values = frame[name].drop_nulls()
        if len(values) == 0:
            faults.add(f"target '{name}' is missing in all {frame.height:,} rows")
        elif values.n_unique() == 1 and len(schema.targets) == 1:
            faults.add(
                f"target '{name}' has the single value {values[0]!r} in all {len(values):,} rows: nothing to learn"
            )
        elif schema.columns[name].kind is Kind.DATETIME:
            faults.add(f"target '{name}' is a date: derive a number from it, such as days since a start")
    faults.raise_if_any(DataError, "target")
    if len(schema.targets) > 1:
        return _several(frame, schema)
    name = schema.targets[0]
    kind, values = schema.columns[name].kind, frame[name].drop_nulls()
    if kind is Kind.NUMERIC:
        return TargetKind.REAL, "regression"
    distinct = values.n_unique()
    if kind is Kind.INTEGER and not _integers_are_classes(values, distinct):
        return TargetKind.REAL, "regression"
    if distinct > max(MAX_CLASSES, 0.5 * len(values)):
        raise DataError(
            f"target '{name}' is {kind}, {distinct:,} distinct values in {len(values):,} rows: too many for classes; "
            f"another data.target, or data.columns.{quoted(name)}=numeric"
        )
    return TargetKind.CLASS, "binary" if distinct == 2 else "multiclass"


def target_doubt(frame: pl.DataFrame, schema: Schema) -> list[Doubt]:
    """How an integer target was read, when it could have been read otherwise."""
    if len(schema.targets) != 1 or schema.columns[schema.targets[0]].kind is not Kind.INTEGER:
        return []
    name = schema.targets[0]
    values = frame[name].drop_nulls()
    distinct = values.n_unique()
    span = f"{distinct:,} distinct integers, {values.min()!r} to {values.max()!r}"
    if distinct == 2 or distinct > 5 * MAX_CLASSES:
        return []
    if _integers_are_classes(values, distinct):
        return [Doubt(name, "target", f"{span}: read as classes; task=regression if they are amounts")]
    return [Doubt(name, "target", f"{span}: read as numbers; task=multiclass if they are classes")]


def _integers_are_classes(values: pl.Series, distinct: int) -> bool:
    if distinct == 2:
        return True
    few = distinct <= MAX_CLASSES and distinct * ROWS_PER_CLASS <= len(values)
    return few and int(values.max()) - int(values.min()) + 1 <= 2 * distinct  # type: ignore[arg-type]


def _is_binary(values: pl.Series) -> bool:
    return bool(((values == 0) | (values == 1)).drop_nulls().all())


def _several(frame: pl.DataFrame, schema: Schema) -> tuple[TargetKind, str]:
    kinds = {name: schema.columns[name].kind for name in schema.targets}
    labels = [k is Kind.BOOLEAN or (k.is_number and _is_binary(frame[n])) for n, k in kinds.items()]
    if all(labels):
        return TargetKind.MULTILABEL, "multilabel"
    if all(k.is_number for k in kinds.values()):
        return TargetKind.REAL, "regression"
    listed = ", ".join(f"'{n}' is {k}" for n, k in kinds.items())
    raise DataError(
        f"several targets must all be 0/1 labels or all be numbers: {listed}; "
        "data.columns.<name>=boolean makes labels of yes/no, or train one run for each"
    )


def _check_names(
    frame: pl.DataFrame,
    targets: tuple[str, ...],
    roles: Mapping[str, str | None],
    keyed: Mapping[str, Mapping[str, Any]],
    faults: Faults,
) -> None:
    known = set(frame.columns)
    for name in targets:
        if name not in known:
            faults.add(f"data.target={name} is no column{closest(name, frame.columns)}")
    for role, column in roles.items():
        if column is not None and column not in known:
            faults.add(f"data.{role}={column} is no column{closest(column, frame.columns)}")
        if column is not None and column in targets:
            faults.add(f"column '{column}' is both data.target and data.{role}")
    for key, names in keyed.items():
        for name in names:
            if name not in known:
                faults.add(f"data.{key}.{name} is no column{closest(name, frame.columns)}")
    for name in targets:
        if name in keyed["exclude"]:
            faults.add(f"column '{name}' is both data.target and in data.exclude")


def _declare(column: Column, spec: str, faults: Faults) -> None:
    kind, _, format = str(spec).partition(":")
    if kind not in list(Kind):
        faults.add(f"data.columns.{column.name}={spec} is no kind{closest(kind, [k.value for k in Kind])}")
        return
    column.kind = Kind(kind)
    if format and column.kind is not Kind.DATETIME:
        faults.add(f"data.columns.{column.name}={spec}: only datetime takes a format")
    elif format and format != ISO:
        column.format = format
    if column.kind is Kind.ORDINAL and not column.levels:
        faults.add(f"ordinal column '{column.name}' needs its order: data.levels.{quoted(column.name)}=[low,...,high]")


def _check_levels(column: Column, series: pl.Series, faults: Faults) -> None:
    if column.levels is None or column.kind not in (Kind.ORDINAL, Kind.CATEGORICAL):
        return
    schema = Schema({column.name: column})
    values = cast(series.to_frame(), schema, where="data.levels")[column.name].drop_nulls()
    outside = values.filter(~values.is_in(list(column.levels))).unique(maintain_order=True)
    if len(outside):
        shown = ", ".join(repr(v) for v in outside.head(5).to_list()) + (", ..." if len(outside) > 5 else "")
        faults.add(f"data.levels.{quoted(column.name)} lacks {len(outside)} values of the column: {shown}")


def _many_levels(sample: pl.Series, column: Column, whole: pl.Series) -> list[Doubt]:
    """Whether there are few rows to learn each category from; all rows are counted where the sample suggests it."""
    found = sample.n_unique()
    if not column.kind.is_category or found <= 50 or found <= min(_MANY_LEVELS, len(sample) - sample.null_count()) / 2:
        return []
    values = (strip_and_blank(whole, column.missing) if whole.dtype == pl.String else whole).drop_nulls()
    levels = values.n_unique()
    if levels <= 50 or levels <= min(_MANY_LEVELS, len(values) / 2):
        return []
    text = f"{levels:,} levels in {len(values):,} rows: few rows to learn each from"
    return [Doubt(column.name, "cardinality", f"{text}; data.exclude.{quoted(column.name)}=key leaves it out")]


def _missing_tokens(sample: pl.Series, column: Column, gap: pl.Series | None, whole: pl.Series) -> list[Doubt]:
    """Which tokens were read as missing, by the cast or before; a category may be called NA."""
    if sample.dtype != pl.String:
        return []
    tokens = [t for t in column.missing if t]
    shares: dict[str, float] = {}
    for values, part in ((sample.str.strip_chars(), 1.0), (gap, whole.null_count() / max(1, len(whole)))):
        if values is not None:
            for token, count in count_values(values.filter(values.is_in(tokens))).rows():
                shares[token] = shares.get(token, 0.0) + part * count / len(values)
    if not shares:
        return []
    shown = ", ".join(repr(t) for t in sorted(shares, key=lambda t: (-shares[t], t)))
    text = f"{shown} read as missing ({sum(shares.values()):.1%} of rows)"
    if column.kind.is_category:
        text += "; data.missing=[] keeps it as a level"
    return [Doubt(column.name, "missing", text)]

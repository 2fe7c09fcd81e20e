"""Doubts: what a person should look at before trusting a table; found on the typed frame, never fatal."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np
import polars as pl

from colonnade.core.schema import Kind, Schema, TargetKind

_SENTINELS = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0)
_UNKNOWN = ("unknown", "unk", "not available", "missing", "none", "n.a.", "-", ".", "--")


@dataclass(frozen=True)
class Doubt:
    """One remark on the data.

    Args:
        column: the column it is about; empty for the whole table.
        kind: a word for grouping, such as ``"id"``, ``"constant"``, ``"date"``, ``"leak"``.
        text: what was seen, and the key that changes it.
    """

    column: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.column}: {self.text}" if self.column else self.text


def quoted(name: str) -> str:
    """The last part of ``data.columns.<name>`` as typed in a shell: quoted when the name is no plain word.

    The shell takes the quotes away; ``config/overrides.py`` understands the word with them and without.
    """
    if _is_word(name):
        return name
    return "'" + name.replace("'", "'\"'\"'") + "'"


def listed(name: str) -> str:
    """The list of one name in ``data.waive=[<name>]`` as typed in a shell; quotes stay that mark it as text."""
    return f"[{name}]" if _is_word(name) else shlex.quote('["' + name.replace('"', '\\"') + '"]')


def _is_word(name: str) -> bool:
    """Whether Hydra reads a name as it stands, and as text."""
    return name.isascii() and name.isidentifier() and name.lower() not in ("true", "false", "null", "nan", "inf")


def count_values(values: pl.Series) -> pl.DataFrame:
    """Distinct non-missing values, most frequent first, as ``value`` and ``count`` whatever the column is called."""
    return values.drop_nulls().alias("value").value_counts().sort("count", "value", descending=[True, False])


def dense_ranks(values: pl.Series) -> np.ndarray:
    """Codes ``(N,)`` int64 in the order of the values, equal for equal ones, from 1; 0 is missing."""
    if values.dtype == pl.String:
        # Hashed, where a rank would sort all rows.
        levels = values.drop_nulls().unique().sort()
        return (values.cast(pl.Enum(levels)).to_physical().cast(pl.Int64) + 1).fill_null(0).to_numpy()
    return values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def examine(frame: pl.DataFrame, schema: Schema, kind: TargetKind | None = None) -> list[Doubt]:
    """Look at every feature, at the target, and at the rows.

    Args:
        frame: typed by the schema, see :func:`colonnade.data.cast.cast`.
        schema: its schema.
        kind: kind of the target; None: no target.

    Returns:
        Doubts in column order, then those on the target, then those on rows.
    """
    found: list[Doubt] = []
    for name in schema.features:
        found += _look_at_feature(frame[name], schema.columns[name].kind)
    for name in schema.targets:
        found += _look_at_target(frame[name], kind, single=len(schema.targets) == 1)
    found += _look_at_rows(frame, schema)
    return found


def _look_at_feature(column: pl.Series, kind: Kind) -> list[Doubt]:
    name, n = column.name, len(column)
    present = n - column.null_count()
    if present == 0:
        return [Doubt(name, "all_missing", "every value is missing: dropped by the pipeline")]
    levels = column.n_unique() - (present < n)
    if levels == 1:
        only = column.drop_nulls()[0]
        if present == n:
            return [Doubt(name, "constant", f"constant ({only!r}): dropped by the pipeline")]
        return [Doubt(name, "constant", f"one value ({only!r}) or missing: only its absence tells")]
    found = []
    if kind.is_category and kind is not Kind.BOOLEAN:
        found += _look_at_levels(column)
    if kind.is_number:
        found += _look_at_numbers(column, levels)
    return found


def _look_at_levels(column: pl.Series) -> list[Doubt]:
    counts = count_values(column)
    values = counts["value"]
    lower = values.str.strip_chars().str.to_lowercase()
    found = []
    unknown = counts.filter(lower.is_in(_UNKNOWN))
    if len(unknown):
        token, n = unknown.row(0)
        found.append(Doubt(column.name, "missing", f"{token!r} ({n:,} rows) may mean missing: add it to data.missing"))
    if lower.n_unique() < len(values):
        twins = counts.with_columns(lower=lower).filter(lower.is_duplicated())
        first = twins.sort("lower", "value")["value"].head(2).to_list()
        found.append(
            Doubt(column.name, "case", f"{first[0]!r} and {first[1]!r} differ only by case or spaces: two levels")
        )
    return found


def _look_at_numbers(column: pl.Series, levels: int) -> list[Doubt]:
    values = column.drop_nulls().cast(pl.Float64)
    found = []
    for end, value in (("lowest", values.min()), ("highest", values.max())):
        if value in _SENTINELS and levels > 2:
            n = int((values == value).sum())
            rest = values.filter(values != value)
            span = float(rest.max() - rest.min())  # type: ignore[operator,arg-type]
            if n > 1 and min(abs(float(rest.min()) - float(value)), abs(float(rest.max()) - float(value))) > span:  # type: ignore[arg-type]
                found.append(Doubt(column.name, "missing", f"the {end} value {value:g} ({n:,} rows) may mean missing"))
    middle = values.quantile(0.75), values.quantile(0.25)
    spread = float(middle[0]) - float(middle[1])  # type: ignore[arg-type]
    if spread > 0 and float(values.abs().max()) > 1000 * spread + abs(float(values.median())):  # type: ignore[arg-type]
        found.append(
            Doubt(column.name, "skew", "values far beyond the middle half (1000 times its width): pipeline=quantile")
        )
    return found


def _look_at_target(column: pl.Series, kind: TargetKind | None, single: bool) -> list[Doubt]:
    name, found = column.name, []
    if missing := column.null_count():
        found.append(
            Doubt(name, "target", f"missing in {missing:,} rows: data.drop_missing_target=true leaves them out")
        )
    values = column.drop_nulls()
    if kind is TargetKind.CLASS and single and len(values):
        counts = count_values(values)
        rare = counts.filter(pl.col("count") < 3)
        if len(rare):
            shown = ", ".join(f"{v} ({n})" for v, n in rare.head(5).rows())
            found.append(
                Doubt(
                    name,
                    "target",
                    f"{len(rare)} classes with fewer than 3 rows: {shown}; they cannot be in every split",
                )
            )
        first, last = counts["count"][0], counts["count"][-1]
        if first >= 10 * last:
            found.append(
                Doubt(
                    name, "imbalance", f"imbalanced, {first:,} rows of the largest class for {last:,} of the smallest"
                )
            )
    elif kind is TargetKind.REAL and len(values) > 2:
        skew = values.cast(pl.Float64).skew()
        if skew is not None and abs(skew) > 3:
            found.append(Doubt(name, "skew", f"skewed (skewness {skew:.1f}): a logarithm of the target may help"))
        top = values.max()
        at_top = int((values == top).sum())
        if at_top > 0.02 * len(values) and values.n_unique() > 100:
            found.append(
                Doubt(name, "capped", f"{at_top:,} rows share the highest value ({top!r}): capped at the source?")
            )
    return found


def _look_at_rows(frame: pl.DataFrame, schema: Schema) -> list[Doubt]:
    features = list(schema.features)
    if not features or frame.height == 0:
        return []
    repeated = frame.height - frame.select(features).hash_rows(seed=0).n_unique()
    if repeated == 0:
        return []
    text = f"{repeated:,} of {frame.height:,} rows repeat the features of another row"
    return [Doubt("", "duplicates", f"{text}: the splits may share them (split.group_duplicates=true)")]

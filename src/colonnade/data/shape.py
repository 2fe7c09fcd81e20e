"""Shape: what is done to a frame as read: values rewritten, columns derived, rows chosen."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from colonnade.core.errors import ConfigError, SchemaError, closest
from colonnade.data.doubts import quoted


def replaced(frame: pl.DataFrame, pairs: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """Write some values of some columns otherwise.

    Args:
        frame: as read.
        pairs: ``{column: {old: new}}``, on text.

    Raises:
        SchemaError: a column is not there.
    """
    for column in pairs:
        if column not in frame.columns:
            raise SchemaError(f"data.replace.{quoted(column)} is no column{closest(column, frame.columns)}")
    return frame.with_columns(pl.col(c).cast(pl.String).replace(dict(p)) for c, p in pairs.items())


def selected(frame: pl.DataFrame, expressions: Mapping[str, str]) -> pl.DataFrame:
    """A frame of new columns.

    Args:
        frame: as read.
        expressions: SQL by column name, such as ``"total_rooms / households"``; operators and functions of polars SQL,
            row by row.

    Raises:
        ConfigError: an expression is not SQL, or is not of one value a row.
        SchemaError: it names a column that is not there.
    """
    columns = []
    for name, sql in expressions.items():
        key = f"data.select.{quoted(name)}"
        column = frame.select(_expression(sql, frame, key).alias(name))
        if column.height != frame.height:
            raise ConfigError(
                f"{key}={sql}: gives {column.height} values for {frame.height} rows: one for each is expected"
            )
        columns.append(column.to_series())
    return pl.DataFrame(columns)


def inputs(expressions: Mapping[str, str]) -> set[str]:
    """Columns that SQL expressions are made of."""
    return {name for sql in expressions.values() for name in pl.sql_expr(sql).meta.root_names()}


def where_true(frame: pl.DataFrame, sql: str) -> pl.Series:
    """Rows where a SQL condition is true.

    Raises:
        ConfigError: it is not SQL, or no condition.
        SchemaError: it names a column that is not there.
    """
    mask = frame.select(_expression(sql, frame, "data.filter").alias("mask")).to_series()
    if mask.dtype != pl.Boolean or len(mask) != frame.height:
        raise ConfigError(f"data.filter={sql}: expected a condition, such as age > 17")
    return mask.fill_null(False)


def _expression(sql: str, frame: pl.DataFrame, key: str) -> pl.Expr:
    # An expression has no FROM: it can read no file and no other table.
    try:
        expression = pl.sql_expr(sql)
    except (pl.exceptions.SQLInterfaceError, pl.exceptions.SQLSyntaxError) as error:
        raise ConfigError(f"{key}={sql}: not a SQL expression ({error})") from error
    for name in expression.meta.root_names():
        if name not in frame.columns:
            raise SchemaError(f"{key}={sql}: there is no column '{name}'{closest(name, frame.columns)}")
    try:
        frame.head(0).select(expression)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{key}={sql}: {str(error).splitlines()[0]}") from error
    return expression

"""Options: what is wrong with the arguments of a data set, found before anything is read."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from zoneinfo import available_timezones

import polars as pl

from colonnade.core.errors import closest
from colonnade.core.schema import Kind
from colonnade.data.catalog import PARTS
from colonnade.data.datetimes import is_zone
from colonnade.data.doubts import quoted
from colonnade.data.sources.text import ENCODINGS


def faulty_names(columns: Mapping[str, str], timezone: str | None, encoding: str) -> Iterator[str]:
    """Kinds, zones and encodings that there are not."""
    for column, spec in columns.items():
        kind = str(spec).partition(":")[0]
        if kind not in list(Kind):
            yield f"columns.{quoted(column)}={spec} is no kind{closest(kind, [k.value for k in Kind])}"
    if timezone is not None and not is_zone(timezone):
        near = closest(timezone, available_timezones(), n=1) or ", such as Europe/Berlin"
        yield f"timezone={timezone} is no IANA zone{near}"
    try:
        codecs.lookup(encoding)
    except LookupError:
        yield f"encoding={encoding} is no known encoding{closest(encoding, ENCODINGS)}"


def faulty_sql(expressions: Mapping[str, str]) -> Iterator[str]:
    """Expressions that are no SQL."""
    for key, sql in expressions.items():
        try:
            pl.sql_expr(sql)
        except (pl.exceptions.SQLInterfaceError, pl.exceptions.SQLSyntaxError) as error:
            yield f"{key}={sql}: not a SQL expression ({error})"


def faulty_parts(parts: Mapping[str, Sequence[int | None]]) -> Iterator[str]:
    """Parts that there are not, or that share rows."""
    ranges: dict[str, tuple[float, float]] = {}
    for part, given in parts.items():
        if part not in PARTS:
            yield f"parts.{part}: one of {', '.join(PARTS)}"
        elif len(given) != 2:
            yield f"parts.{part}={list(given)}: [start, stop] is expected"
        else:
            ranges[part] = (given[0] or 0, float("inf") if given[1] is None else given[1])
    for (one, a), (other, b) in combinations(ranges.items(), 2):
        if max(a[0], b[0]) < min(a[1], b[1]):
            yield f"parts.{one}={list(parts[one])} and parts.{other}={list(parts[other])} share rows"

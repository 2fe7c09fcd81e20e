"""Dates and times written as text: which format a column has, and its parsing to instants."""

from __future__ import annotations

import re
from itertools import product

import polars as pl

from colonnade.core.errors import DataError

_LOOSE = re.compile(
    r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}"
    r"|^\d{1,2}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{4}"
    r"|^[A-Za-z]{3,9}[- ](\d{1,2}, ?)?\d{4}"
)
_DATES = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = ("%b-%Y", "%b %Y", "%B %Y")
_ISO_NAIVE = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_ISO_ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%dT%H:%M%#z")
OFFSET = r":\d{2}(?:\.\d+)?(Z|[+-]\d{2}(?::?\d{2})?)$"
"""Text that ends with a time and its offset from UTC."""
ISO = "iso"
"""Name of ISO 8601 text: a date, or a date and a time parted by ``T`` or a space, with or without an offset."""


def find_formats(values: pl.Series, share: float = 0.95) -> list[str]:
    """Formats that fit at least ``share`` of some text values; several when day and month cannot be told apart.

    Args:
        values: distinct non-missing text, without surrounding spaces.
        share: least share of values that must parse.

    Returns:
        ``["iso"]``, or ``strptime`` formats with the day before the month first, or an empty list.
    """
    head = values.head(40).to_list()
    if not head or sum(bool(_LOOSE.match(v)) for v in head) < share * len(head):
        return []
    values = values.head(5000)
    if _parse_iso(values).count() >= share * len(values):
        return [ISO]
    candidates = (*(d + t for d, t in product(_DATES, _TIMES)), *_MONTHS)
    fits: dict[str, pl.Series] = {}
    for format in candidates:
        parsed = _parse_as(values, format)
        if parsed.count() >= share * len(values) and parsed.dt.year().is_between(1000, 2500).all():
            fits[format] = parsed
    most = max((parsed.count() for parsed in fits.values()), default=0)
    chosen: list[str] = []
    for format, parsed in fits.items():
        if parsed.count() == most and not any(parsed.equals(fits[c]) for c in chosen):
            chosen.append(format)
    return chosen


def parse(values: pl.Series, format: str | None = None, timezone: str | None = None) -> pl.Series:
    """Parse text to ``Datetime("us")``: in UTC when offsets or a zone are known, else without a zone.

    Args:
        values: text without surrounding spaces; null where missing.
        format: as :func:`find_formats` gives; None means ISO.
        timezone: IANA name of the zone of values written without an offset.

    Returns:
        The instants, null where a value does not fit the format.

    Raises:
        DataError: offsets are mixed, or a local time is ambiguous or skipped by a clock change.
    """
    if format not in (None, ISO):
        assert format is not None
        parsed = _parse_as(values, format)
    elif values.str.ends_with("Z").any() or values.str.contains(OFFSET).any():
        offsets = values.str.extract(OFFSET, 1)
        distinct = sorted(offsets.drop_nulls().unique().to_list())
        naive = values.is_not_null() & offsets.is_null()
        if timezone is None and (len(distinct) > 1 or naive.any()):
            shown = ", ".join(distinct[:4]) + (" and none" if naive.any() else "")
            raise DataError(f"UTC offsets are mixed ({shown}): say the zone, for example data.timezone=UTC")
        parsed = _first(values, _ISO_ZONED, zone="UTC")
        if naive.any() and timezone is not None:
            local = localise(_first(pl.select(pl.when(naive).then(values)).to_series(), _ISO_NAIVE), timezone)
            parsed = pl.select(pl.coalesce(parsed, local)).to_series()
        return parsed.alias(values.name)
    else:
        parsed = _first(values, _ISO_NAIVE)
    if parsed.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return parsed
    return parsed if timezone is None else localise(parsed, timezone)


def is_zone(name: str) -> bool:
    """Whether polars knows a time zone."""
    try:
        pl.Series([], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
    except pl.exceptions.ComputeError:
        return False
    return True


def localise(values: pl.Series, timezone: str) -> pl.Series:
    """Instants in UTC of local times in a zone.

    Raises:
        DataError: unknown zone; or times that a clock change makes ambiguous or skips, with the first of them.
    """
    try:
        zoned = values.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    except pl.exceptions.ComputeError as error:
        raise DataError(f"data.timezone={timezone} is no IANA zone, such as Europe/Berlin") from error
    lost = values.is_not_null() & zoned.is_null()
    if lost.any():
        rows = lost.arg_true().head(3).to_list()
        shown = ", ".join(f"row {r} {values[r]}" for r in rows)
        raise DataError(
            f"{lost.sum()} local times do not exist once in {timezone}, because clocks change ({shown}): "
            "write them with their UTC offset, or set data.timezone=UTC"
        )
    return zoned.dt.convert_time_zone("UTC")


def _parse_iso(values: pl.Series) -> pl.Series:
    naive = _first(values, _ISO_NAIVE)
    if naive.null_count() == values.null_count():
        return naive
    zoned = _first(values, _ISO_ZONED, zone="UTC").dt.replace_time_zone(None)
    return pl.select(pl.coalesce(naive, zoned)).to_series()


def _parse_as(values: pl.Series, format: str) -> pl.Series:
    name = values.name
    if "%d" not in format:  # a month stands for its first day
        values, format = "1 " + values, "%d " + format
    return values.str.to_datetime(format, time_unit="us", strict=False).alias(name)


def _first(values: pl.Series, formats: tuple[str, ...], zone: str | None = None) -> pl.Series:
    """The first format that fits each value; later formats only see what the earlier ones left."""
    result = pl.Series(values.name, [None] * len(values), dtype=pl.Datetime("us", zone))
    rest = values
    for format in formats:
        if rest.null_count() == len(rest):
            break
        parsed = rest.str.to_datetime(format, time_unit="us", strict=False)
        if parsed.null_count() == len(parsed):
            continue
        result = pl.select(pl.coalesce(result, parsed)).to_series()
        rest = pl.select(pl.when(parsed.is_null()).then(rest)).to_series()
    return result.alias(values.name)

"""Clock: when the steps of series are, how far apart, and which are missing between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.data.datetimes import ISO, OFFSET, find_formats, localise, parse

_QUARTER = r"^\s*(\d{4})[ -]?Q([1-4])\s*$"
# As columns of a date, or of year, month and day, and of an hour spell it together.
_HOUR = r"^\s*(\d{4})[ -](\d{1,2})[ -](\d{1,2})(?:[ T](\d{1,2}))?\s*$"
_FREQUENCY = re.compile(r"^(\d*)\s*(ms|s|min|m|h|d|w|mo|q|y)$")
_MICROSECONDS = {"ms": 1e3, "s": 1e6, "min": 6e7, "m": 6e7, "h": 3.6e9, "d": 8.64e10, "w": 6.048e11}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_MONTH = 28 * 8.64e10
_MOST = 10
"""How many missing steps there may be for each that is there: more is a wrong time, or a wrong frequency."""
_SHOWN = 3


@dataclass(frozen=True)
class Step:
    """The time from a step to the next.

    Args:
        size: microseconds, months, or units of numbers.
        unit: ``"us"``, ``"mo"``, or ``""`` for numbers.
    """

    size: float
    unit: str

    @classmethod
    def parse(cls, text: str | float) -> Step:
        """From ``30m``, ``1h``, ``d``, ``1w``, ``1mo``, ``1q``, ``1y``, or a number.

        Raises:
            ValueError: it is none of these.

        >>> Step.parse("15min"), Step.parse("q"), Step.parse(2)
        (Step(size=900000000.0, unit='us'), Step(size=3, unit='mo'), Step(size=2.0, unit=''))
        """
        found = _FREQUENCY.match(str(text).lower())
        if found is not None and found[1] != "0":
            count = int(found[1] or 1)
            if found[2] in _MONTHS:
                return cls(count * _MONTHS[found[2]], "mo")
            return cls(count * _MICROSECONDS[found[2]], "us")
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not number > 0:
            raise ValueError(f"frequency={text}: a time such as 30m, 1h, 1d, 1w, 1mo, 1q or 1y, or a number above 0")
        return cls(number, "")

    def __str__(self) -> str:
        if self.unit == "us":
            for unit in ("w", "d", "h", "m", "s"):
                if self.size % _MICROSECONDS[unit] == 0:
                    return f"{self.size / _MICROSECONDS[unit]:.0f}{unit}"
            return f"{self.size:.0f} microseconds"
        return f"{self.size:g}{self.unit}"


@dataclass(frozen=True)
class Spacing:
    """How the steps of some series follow each other.

    Args:
        step: time from one to the next.
        ahead: for each row, how many steps it is to the next of its series, ``(N,)`` int64; 1 for the last one.
        uneven: rows that are no whole number of steps behind the one before.
    """

    step: Step
    ahead: np.ndarray
    uneven: np.ndarray

    @property
    def missing(self) -> int:
        """Steps that are not there."""
        return int((self.ahead - 1).sum())

    def note(self) -> str | None:
        """What is irregular, in words; None where nothing is."""
        if len(self.uneven):
            return (
                f"times are uneven: most steps are {self.step} apart, {len(self.uneven):,} of {len(self.ahead):,} are "
                "no multiple of it behind the one before; rows are taken as consecutive steps"
            )
        if self.missing:
            return (
                f"times have gaps: a step is {self.step}, and {self.missing:,} steps in "
                f"{int((self.ahead > 1).sum()):,} gaps are missing (the longest {int(self.ahead.max()) - 1:,}); rows "
                "are taken as consecutive steps (data.fill=forward puts the missing ones in)"
            )
        return None


def check_present(column: pl.Series, key: str, where: str) -> None:
    """Refuse a column of ``data.id`` or ``data.time`` that misses values.

    Raises:
        DataError: with the first row.
    """
    if n := column.null_count():
        first = int(column.is_null().arg_true()[0])
        raise DataError(
            f"{where}: column '{column.name}' (data.{key}) is missing in {n:,} rows (the first, from 0: {first})"
        )


def instants(column: pl.Series, where: str, timezone: str | None = None) -> pl.Series:
    """Times that can be compared: of text, the numbers, quarters, hours (``2024-01-31 7``) or times that it spells.

    Args:
        column: without missing values.
        where: file, for messages.
        timezone: IANA name of the zone of times that come without an offset; dates stay as they are.

    Raises:
        DataError: a value is none of these; offsets are mixed, or a clock change makes a time ambiguous or skips it.
    """
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us"))
    if column.dtype == pl.Datetime:
        return _zoned(column, where, timezone)
    if column.dtype != pl.String:
        return column
    numbers = column.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        return numbers
    if column.str.contains(_QUARTER).all():
        month = (column.str.extract(_QUARTER, 2).cast(pl.Int32) * 3 - 2).cast(pl.String).str.zfill(2)
        return (column.str.extract(_QUARTER, 1) + "-" + month + "-01").str.to_datetime("%Y-%m-%d", time_unit="us")
    times = _times(column, where, timezone)
    if times.null_count():
        row = int((numbers.is_null() & times.is_null()).arg_true()[0])
        raise DataError(
            f"{where}: column '{column.name}' (data.time) holds '{column[row]}' in row {row} (from 0): numbers are "
            "expected, or times such as "
            "2024-01-31, 2024-01-31T12:00:00 or 2024 Q1"
        )
    return _zoned(times, where, timezone)


def _times(column: pl.Series, where: str, timezone: str | None) -> pl.Series:
    """Times that text spells; what is none is missing."""
    if column.str.contains(_HOUR).all():
        parts = [column.str.extract(_HOUR, i).fill_null("0").str.zfill(2) for i in range(1, 5)]
        whole = pl.select(pl.format("{}-{}-{} {}:00", *parts).alias(column.name)).to_series()
        return whole.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False)
    text = column.str.strip_chars()
    formats = find_formats(text.unique(maintain_order=True))
    if ISO in formats:
        offsets = text.str.contains(OFFSET)
        with _told(column.name, where):
            return parse(text, timezone=timezone if offsets.any() else None)
    if formats:
        return parse(text, formats[0])
    try:
        return text.str.to_datetime(time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series(column.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(column))


def _zoned(times: pl.Series, where: str, timezone: str | None) -> pl.Series:
    """Instants of times of a zone; dates are no instants, and a day is a day in every zone."""
    if timezone is None or times.dtype.time_zone is not None or (times.dt.truncate("1d") == times).all():  # type: ignore[attr-defined]
        return times
    with _told(times.name, where):
        return localise(times.cast(pl.Datetime("us")), timezone)


@contextmanager
def _told(name: str, where: str) -> Iterator[None]:
    """What is wrong with times, with file and column."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{where}: column '{name}' (data.time): {error}") from error


def spacing(times: pl.Series, starts: np.ndarray, step: Step | None, where: str) -> Spacing | None:
    """How steps follow each other.

    Args:
        times: see :func:`instants`, in order within each series.
        starts: which rows begin a series, ``(N,)`` bool.
        step: what a step is; None: what it is most often.
        where: file, for messages.

    Returns:
        None where no series has two steps, so that there is nothing to see.

    Raises:
        DataError: ``step`` is a time and the times are numbers, or the other way round.
    """
    dated = times.dtype.is_temporal()
    inner = ~starts[1:]
    if step is not None and (step.unit != "") != dated:
        raise DataError(
            f"{where}: data.frequency={step} is {'a time' if step.unit else 'a number'}, and column '{times.name}' "
            f"(data.time) holds {'times' if dated else 'numbers'}"
        )
    if not inner.any():
        return None
    values = (times.cast(pl.Datetime("us")).cast(pl.Int64) if dated else times.cast(pl.Float64)).to_numpy()
    apart = np.diff(values)
    if step is None:
        usual = _most_often(apart[inner])
        step = Step(usual, "us" if dated else "")
        if dated and usual >= _MONTH and (months := _most_often(np.diff(_months(times))[inner])) >= 1:
            step = Step(months, "mo") if _even(times, months, inner) else step
    if step.unit == "mo":
        exact = np.diff(_months(times)) / step.size
        exact = np.where(_same_day(times), exact, np.nan)
    else:
        exact = apart / step.size
    whole = np.round(exact)
    uneven = np.flatnonzero(inner & ~(np.abs(exact - whole) < 1e-6)) + 1
    ahead = np.ones(len(times), dtype=np.int64)
    even = inner & (np.abs(exact - whole) < 1e-6)
    ahead[:-1][even] = whole[even].astype(np.int64)
    return Spacing(step, np.maximum(ahead, 1), uneven)


def later(times: pl.Series, count: np.ndarray, step: Step) -> pl.Series:
    """Times so many steps behind others; the last day of a month stays the last of its month.

    Args:
        times: see :func:`instants`, ``(N,)``.
        count: steps, ``(N,)`` int64.
        step: from one to the next.
    """
    if not times.dtype.is_temporal():
        return times + pl.Series(count * step.size).cast(times.dtype)
    if step.unit == "us":
        return times.cast(pl.Datetime("us")) + pl.Series((count * step.size).astype(np.int64)).cast(pl.Duration("us"))
    by = pl.format("{}mo", pl.Series(count * int(step.size)))
    moved = pl.DataFrame(times.cast(pl.Datetime("us")).alias("time")).select(
        pl.when(pl.col("time").dt.truncate("1d") == pl.col("time").dt.month_end().dt.truncate("1d"))
        .then(pl.col("time").dt.offset_by(by).dt.month_end())
        .otherwise(pl.col("time").dt.offset_by(by))
    )
    return moved.to_series().alias(times.name)


def with_missing_steps(
    frame: pl.DataFrame,
    found: Spacing,
    *,
    kept: Collection[str],
    times: pl.Series,
    where: str,
    timed: str | None = None,
) -> pl.DataFrame:
    """The rows with an empty one for each missing step.

    Args:
        frame: a row for each step, in order.
        found: how they follow each other.
        kept: columns that are one value for a series.
        times: of the rows.
        where: file, for messages.
        timed: a column that gets the times of the missing steps too; None: none does.

    Raises:
        DataError: steps are uneven, or so many are missing that a time or the frequency is wrong.
    """
    if len(found.uneven):
        shown = ", ".join(str(times[int(i)]) for i in found.uneven[:_SHOWN])
        raise DataError(
            f"{where}: {len(found.uneven):,} of {len(frame):,} rows are no multiple of {found.step} behind the one "
            f"before ({shown}): data.fill needs even steps; set data.frequency, or data.fill=null to take rows as they "
            "come"
        )
    if found.missing > _MOST * len(frame):
        at = int(found.ahead.argmax())
        raise DataError(
            f"{where}: at steps of {found.step}, {found.missing:,} are missing between {len(frame):,} (most behind "
            f"{times[at]}): a time is wrong, or data.frequency"
        )
    index = np.repeat(np.arange(len(frame)), found.ahead)
    new = pl.Series(np.append(False, index[1:] == index[:-1]))
    emptied = [pl.when(~new).then(pl.col(name)).alias(name) for name in frame.columns if name not in kept]
    whole = frame[index].with_columns(emptied)
    if timed is None:
        return whole
    place = np.arange(len(index)) - np.repeat(np.cumsum(found.ahead) - found.ahead, found.ahead)
    return whole.with_columns(later(times.gather(index), place, found.step).alias(timed))


def _most_often(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])


def _months(times: pl.Series) -> np.ndarray:
    """Months since the year 0."""
    months: np.ndarray = times.dt.year().to_numpy().astype(np.int64) * 12 + times.dt.month().to_numpy()
    return months


def _same_day(times: pl.Series) -> np.ndarray:
    """Whether a row has the day of the month of the one before, or both are the last of theirs, ``(N - 1,)``."""
    day, last = times.dt.day().to_numpy(), (times.dt.month_end() == times.dt.truncate("1d")).to_numpy()
    same: np.ndarray = (day[1:] == day[:-1]) | (last[1:] & last[:-1])
    return same


def _even(times: pl.Series, months: float, inner: np.ndarray) -> bool:
    """Whether most steps are so many months long."""
    fits = (np.diff(_months(times)) % months == 0) & _same_day(times)
    return bool(fits[inner].mean() > 0.5)

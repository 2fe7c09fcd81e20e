"""Cast: a frame as read becomes the typed frame that its schema declares, or every value that does not fit is named."""

from __future__ import annotations

from typing import Literal

import polars as pl

from colonnade.core.errors import DataError, Faults, SchemaError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data import datetimes
from colonnade.data.doubts import quoted
from colonnade.data.sources.written import places

DTYPES: dict[Kind, pl.DataType] = {
    Kind.NUMERIC: pl.Float64(),
    Kind.INTEGER: pl.Int64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.CATEGORICAL: pl.String(),
    Kind.ORDINAL: pl.String(),
    Kind.TEXT: pl.String(),
    Kind.ID: pl.String(),
}
"""Type of a cast column of each kind; a datetime is ``Datetime("us")``, in UTC or without a zone."""

TRUE, FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")
# Text that holds such a number is a date yyyymmdd or a time since 1970, and no year.
_LEAST_EPOCH = 1e7
_EPOCH_UNITS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
_SHOWN = 5
# Rows that tell whether a column of text has few levels.
_HEAD = 10_000

Infinite = Literal["error", "clip", "missing"]


def cast(
    frame: pl.DataFrame,
    schema: Schema,
    *,
    where: str,
    timezone: str | None = None,
    infinite: Infinite = "error",
    first_line: int | None = None,
) -> pl.DataFrame:
    """Give every column of the schema its type; missing tokens and NaN become null.

    A column that has its type already is passed on without a copy.

    Args:
        frame: as read: text, or typed columns. Columns outside the schema are left out.
        schema: declared or inferred kinds. Its columns that the frame lacks are left out (see ``data/conform.py``).
        where: file or query, for messages.
        timezone: IANA zone of local times; they become UTC.
        infinite: what becomes of inf: an error, the largest finite value of its sign, or missing.
        first_line: line of the file that holds the first row, best a
            :class:`~colonnade.data.sources.written.Written`; None: messages count rows from 0.

    Returns:
        The columns of the schema, in its order.

    Raises:
        SchemaError: values that are not of the declared kind; all columns together, each with its first bad lines.
    """
    faults = Faults()
    typed = cast_into(faults, frame, schema, timezone, infinite, first_line, trained=False)
    faults.raise_if_any(SchemaError, f"{where}: values that do not fit their columns")
    return typed


def cast_into(
    faults: Faults,
    frame: pl.DataFrame,
    schema: Schema,
    timezone: str | None,
    infinite: Infinite,
    first_line: int | None,
    *,
    trained: bool,
) -> pl.DataFrame:
    """Like :func:`cast`, but adds to ``faults`` and leaves out the columns at fault.

    Args:
        trained: the schema is that of a model, so messages propose no other.
    """
    columns = []
    present = [c for c in schema.columns.values() if c.name in frame.columns]
    clean = _clean_columns(frame, present)
    for column in present:
        caster = _Caster(column, schema, timezone, infinite, first_line, trained)
        try:
            columns.append(frame[column.name] if column.name in clean else caster(frame[column.name]))
        except DataError as error:
            faults.add(str(error))
    return pl.DataFrame(columns)


def strip_and_blank(values: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    """Text without surrounding spaces, null where it is a missing token; the same series when nothing changes."""
    if values.to_frame().select(_is_padded(values.name)).item():
        values = values.str.strip_chars()
    return _blank(values, missing)


def _blank(values: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    hits = values.is_in(list(missing))
    return pl.select(pl.when(~hits).then(values)).to_series().alias(values.name) if hits.any() else values


def _is_padded(name: str) -> pl.Expr:
    # Prefix tests on short strings look at the first bytes only; a regular expression costs three times as much.
    tests = [test(c) for c in (" ", "\t") for test in (pl.col(name).str.starts_with, pl.col(name).str.ends_with)]
    return pl.any_horizontal(tests).any()


def _clean_columns(frame: pl.DataFrame, columns: list[Column]) -> set[str]:
    """Columns that have their type and nothing to strip, blank or refuse; one pass over all of them, in parallel."""
    doubtful = {c.name: _is_doubtful(c).alias(c.name) for c in columns if frame.schema[c.name] == DTYPES.get(c.kind)}
    # The levels of a column that has few are found sooner than each of its rows is looked at.
    few = [n for n in doubtful if frame.schema[n] == pl.String and frame[n].head(_HEAD).n_unique() <= _HEAD // 10]
    levels = frame.select(pl.col(few).unique().implode())
    found = {name: levels[name].item().alias(name).to_frame().select(doubtful[name]).item() for name in few}
    rest = [expression for name, expression in doubtful.items() if name not in found]
    if rest:
        found |= frame.select(rest).row(0, named=True)
    return {name for name, doubt in found.items() if not doubt}


def _is_doubtful(column: Column) -> pl.Expr:
    cell = pl.col(column.name)
    if column.kind is Kind.NUMERIC:
        return ~cell.sum().is_finite()  # twice as fast as a look at each
    if DTYPES[column.kind] != pl.String:
        return pl.lit(False)
    missing = cell.is_in(list(column.missing)).any()
    return (missing if column.kind is Kind.TEXT else missing | _is_padded(column.name)).fill_null(False)


class _Caster:
    """Casts one column; raises DataError with the first values that do not fit."""

    def __init__(
        self,
        column: Column,
        schema: Schema,
        timezone: str | None,
        infinite: Infinite,
        first_line: int | None,
        trained: bool,
    ) -> None:
        self.column = column
        self.is_target = column.name in schema.targets
        self.is_weight = column.name == schema.weight
        self.trained = trained
        self.timezone = timezone
        self.infinite = infinite
        self.first_line = first_line

    def __call__(self, values: pl.Series) -> pl.Series:
        kind = self.column.kind
        if values.dtype in (pl.Categorical, pl.Enum):
            values = values.cast(pl.String)
        if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
            raise DataError(
                f"column '{values.name}' holds {values.dtype}: flatten it, or data.exclude.{quoted(values.name)}=nested"
            )
        if values.dtype == pl.String:
            clean = _blank if kind is Kind.TEXT else strip_and_blank
            values = clean(values, self.column.missing)
        if kind is Kind.DATETIME:
            return self._datetime(values)
        if kind is Kind.NUMERIC:
            return self._finite(self._number(values).fill_nan(None))
        if kind is Kind.INTEGER:
            return self._integer(values)
        if kind is Kind.BOOLEAN:
            return self._boolean(values)
        return _text(values)

    def _number(self, values: pl.Series) -> pl.Series:
        if values.dtype == pl.String:
            numbers = values.cast(pl.Float64, strict=False)
            if numbers.null_count() > values.null_count():
                numbers = pl.select(pl.coalesce(numbers, _written_number(values))).to_series().alias(values.name)
            self._check(values, numbers, "number")
            return numbers
        if values.dtype == pl.Duration:
            return values.dt.total_microseconds() / 1e6
        if values.dtype == pl.Time:
            return values.cast(pl.Int64) / 1e9
        if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
            raise DataError(f"column '{values.name}' holds {values.dtype}, not numbers: {self._fix()}")
        return values.cast(pl.Float64)

    def _finite(self, values: pl.Series) -> pl.Series:
        infinite = values.is_infinite()
        if not infinite.any():
            return values
        if self.infinite == "error":
            fix = "correct them"
            if self.is_target:
                fix += ", or data.infinite=missing data.drop_missing_target=true leaves those rows out"
            elif not self.trained:
                fix += ", or data.infinite=clip, or data.infinite=missing"
            raise DataError(
                f"column '{values.name}' has {infinite.sum()} infinite values ({self._lines(infinite, values)}): {fix}"
            )
        finite = pl.select(pl.when(~infinite).then(values)).to_series().alias(values.name)
        if self.infinite == "missing":
            return finite
        if finite.null_count() == len(finite):
            raise DataError(f"column '{values.name}' has no finite value to clip to: data.infinite=missing")
        return values.clip(finite.min(), finite.max())  # type: ignore[arg-type]

    def _integer(self, values: pl.Series) -> pl.Series:
        if values.dtype.is_float() or values.dtype.is_decimal():
            values = self._finite(values.cast(pl.Float64).fill_nan(None))
        result = values.cast(pl.Int64, strict=False)
        if values.dtype == pl.String and result.null_count() > values.null_count():
            # "3.0" and "1,200" are integers too. Exact text was parsed above, so none beyond 2^53 passes through floats
            floats = _written_number(values)
            whole = pl.select(pl.when((floats == floats.round()) & (floats.abs() < 2**53)).then(floats)).to_series()
            result = pl.select(pl.coalesce(result, whole.cast(pl.Int64, strict=False))).to_series().alias(values.name)
        elif values.dtype.is_float():
            result = pl.select(pl.when(values == result).then(result)).to_series().alias(values.name)
        self._check(values, result, "integer")
        return result

    def _boolean(self, values: pl.Series) -> pl.Series:
        if values.dtype == pl.String:
            lower = values.str.to_lowercase()
            truth = pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)
            result = pl.select(truth).to_series().alias(values.name)
        elif values.dtype == pl.Boolean:
            return values
        else:
            ones, zeros = values == 1, values == 0
            result = pl.select(pl.when(ones).then(True).when(zeros).then(False)).to_series().alias(values.name)
        self._check(values, result, "true/false, yes/no or 0/1 value")
        return result

    def _datetime(self, values: pl.Series) -> pl.Series:
        name = values.name
        if values.dtype == pl.Date:
            values = values.cast(pl.Datetime("us"))
        if isinstance(values.dtype, pl.Datetime):
            values = values.cast(pl.Datetime("us", values.dtype.time_zone))
            try:
                if values.dtype.time_zone is not None:  # type: ignore[attr-defined]
                    return values.dt.convert_time_zone("UTC")
                return values if self.timezone is None else datetimes.localise(values, self.timezone)
            except DataError as error:
                raise DataError(f"column '{name}': {error}") from error
        if values.dtype.is_numeric():
            return self._epoch(values, values)
        if values.dtype == pl.Null:
            return values.cast(pl.Datetime("us"))
        if values.dtype != pl.String:
            raise DataError(f"column '{name}' holds {values.dtype}, not dates: {self._fix()}")
        format = self.column.format
        if format is None:
            numbers = values.cast(pl.Float64, strict=False)
            if float(numbers.max() or 0) >= _LEAST_EPOCH:  # type: ignore[arg-type]
                return self._epoch(numbers, values)
        try:
            parsed = datetimes.parse(values, format, self.timezone)
        except DataError as error:
            raise DataError(f"column '{name}': {error}") from error
        like = "2024-05-31 or 2024-05-31T13:45:00" if format in (None, datetimes.ISO) else f"in the format {format}"
        self._check(values, parsed, f"date ({like})")
        return parsed

    def _epoch(self, numbers: pl.Series, values: pl.Series) -> pl.Series:
        """Whole numbers declared as dates, ``yyyymmdd`` or seconds, milli- or microseconds since 1970, and the values
        that they were read from."""
        largest = float(numbers.abs().max() or 0)  # type: ignore[arg-type]
        if 19000101 <= largest <= 22001231:
            parsed = numbers.cast(pl.Int64).cast(pl.String).str.to_datetime("%Y%m%d", time_unit="us", strict=False)
            self._check(values, parsed, "date yyyymmdd")
            return parsed
        scale = next((s for limit, s in _EPOCH_UNITS if largest < limit), None)
        if scale is None:
            raise DataError(f"column '{values.name}' is beyond microseconds since 1970: {self._fix()}")
        self._check(values, numbers, "time since 1970")
        micros = (numbers * scale).cast(pl.Int64).cast(pl.Datetime("us"))
        return micros.dt.replace_time_zone("UTC")

    def _check(self, before: pl.Series, after: pl.Series, wanted: str) -> None:
        if after.null_count() <= before.null_count():
            return
        bad = before.is_not_null() & after.is_null()
        raise DataError(
            f"column '{before.name}' has {bad.sum()} values that are no {wanted} ({self._lines(bad, before)}): "
            + self._fix(before.filter(bad))
        )

    def _fix(self, bad: pl.Series | None = None) -> str:
        if self.trained:
            return f"correct them; the model learned the column as {self.column.kind}"
        if self.is_weight:
            return "correct them, or name another column as data.weight"
        fix = f"correct them, or data.columns.{quoted(self.column.name)}=categorical"
        if bad is not None and bad.dtype == pl.String and bad.n_unique() == 1 and len(bad) > 1:
            fix += f", or add {bad[0]!r} to data.missing if it means missing"
        return fix

    def _lines(self, bad: pl.Series, values: pl.Series) -> str:
        word = "row" if self.first_line is None else "line"
        rows = bad.arg_true().head(_SHOWN).to_list()
        found = []
        for row, (at, written) in zip(rows, places(self.first_line, rows, values.name), strict=True):
            # A number as it was read is not always what the file says: 1e400 is inf.
            as_read = written is None or values.dtype == pl.String
            found.append(f"{word} {at}: {values[row]!r}" if as_read else f"{word} {at}: {written}")
        return ", ".join(found) + (", ..." if bad.sum() > _SHOWN else "")


def _written_number(values: pl.Series) -> pl.Series:
    """Numbers as people write them: a currency sign or per cent, and thousands in groups of three."""
    plain = values.str.replace_all(r"[$€£¥%\s]", "")
    grouped = plain.str.contains(r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
    joined = plain.str.replace_all(",", "", literal=True)
    chosen = pl.select(pl.when(grouped).then(joined).otherwise(plain)).to_series()
    return chosen.cast(pl.Float64, strict=False).alias(values.name)


def _text(values: pl.Series) -> pl.Series:
    """Codes as text: a whole float is written as the integer it stands for, so 3 and 3.0 are one level."""
    if values.dtype == pl.String:
        return values
    if values.dtype.is_float():
        values = values.fill_nan(None)
        whole = values.cast(pl.Int64, strict=False)
        text = pl.when(whole == values).then(whole.cast(pl.String)).otherwise(values.cast(pl.String))
        return pl.select(text).to_series().alias(values.name)
    return values.cast(pl.String)

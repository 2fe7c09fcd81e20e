"""Delimited text (CSV, TSV): polars parses it into native types at full speed; what polars would let pass is caught
here.

Polars fills short rows with nulls, reads ``007`` as 7, keeps NUL bytes and renames duplicate columns, all in silence.
A byte scan before and a look at the nulls after catch these for a small share of the time; only a faulty file pays for
a diagnosis.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.schema import DEFAULT_MISSING
from colonnade.data.sources import decimals, header, text
from colonnade.data.sources.scan import Scan, records, scan
from colonnade.data.sources.written import Place, Written

log = logging.getLogger(__name__)

# Rows from which polars takes the types. It looks at them one by one; a column that later differs is read again.
_SAMPLE = 1_000
_RETRIES = 8
_SHOWN = 5
# Rows, from the first null of a text column on, in which is looked for what was read as null.
_GAPS = 10_000
_REFUSED = re.compile(r"could not parse `(.*)` as dtype `(\w+)` at column '.*' \(column number (\d+)\)", re.DOTALL)


@dataclass
class Delimited:
    """How a delimited text is written.

    Args:
        delimiter: one character; None: found in the first lines.
        decimal: ``"."`` or ``","``.
        encoding: a Python codec; a byte order mark counts more.
        quote: one character; None: quotes are ordinary characters.
        header: names of the columns of a file without a header line. A file whose first line holds them has one after
            all.
        skip: lines to leave out at the top.
        comment: first character of lines to leave out.
        rows: read no more than the first ones; None: all.
        missing: tokens that mean missing.
        as_text: columns to keep as written, such as declared categories.
        literal: columns in which no token means missing, such as categories of which one is called ``NA``.
    """

    delimiter: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    quote: str | None = '"'
    header: Sequence[str] | None = None
    skip: int = 0
    comment: str | None = None
    rows: int | None = None
    missing: Sequence[str] = DEFAULT_MISSING
    as_text: frozenset[str] = frozenset()
    literal: frozenset[str] = frozenset()


@dataclass
class _Plan:
    """What the first lines say. ``source`` is parsed; ``written`` has the lines of the file, for messages."""

    source: Path | bytes
    written: Path | bytes
    delimiter: str
    has_header: bool
    raw: list[str]
    names: list[str]
    first_row: int
    skip: int
    kept: frozenset[str]
    overrides: dict[str, type[pl.DataType]] = field(default_factory=dict)


def read_delimited(path: Path, options: Delimited) -> tuple[pl.DataFrame, Written]:
    """Read a delimited text.

    Args:
        path: plain or gzip.
        options: how it is written.

    Returns:
        The frame (numbers and true/false in native types, all else as text, missing tokens as null; of numbers with
        dots between thousands text that can be cast) and the line of the file that holds its first row.

    Raises:
        DataError: each fault of the file with its line or byte offset, what was expected, and the key that changes it.
    """
    source = text.load(path, options.encoding)
    plan = _plan(source, path, options)
    frame = _parse(plan, path, options)
    blank = text.trailing_blank_lines(plan.source)
    if blank and frame.tail(blank).null_count().sum_horizontal().item() == blank * frame.width:
        frame = frame.head(-blank)
    if _has_empty_rows(frame) and text.has_blank_lines(plan.source):
        data = plan.source if isinstance(plan.source, bytes) else plan.source.read_bytes()
        plan.source = text.without_blank_lines(data, plan.skip, options.quote)
        frame = _parse(plan, path, options)
    if frame.height == 0:
        raise DataError(f"{path}: 0 rows: the file has a header ({len(plan.names)} columns) and nothing below it")
    integers = [n for n, dtype in frame.schema.items() if dtype.is_integer()]
    gaps = frame.to_series(frame.width - 1).null_count() > 0
    comma = options.decimal == ","
    seen = scan(plan.source, plan.delimiter, options.quote, zeros=bool(integers), separators=gaps, dots=comma)
    _check_nul(seen, path)
    _check_fields(frame, plan, path, options, seen, gaps)
    if seen.leading_zeros:
        frame = _with_text(frame, plan, options, integers, r"^[+-]?0\d", {})
    if seen.dots:
        floats = [n for n, dtype in frame.schema.items() if dtype.is_float()]
        frame = _with_text(frame, plan, options, floats, decimals.GROUPED, {})
    literal = [raw for raw, name in zip(plan.raw, plan.names) if name in options.literal]
    frame = _with_text(frame, plan, options, literal, "", {"null_values": None})
    if comma:
        frame = decimals.with_points(frame, kept=plan.kept)
    frame = frame.with_columns(pl.col(pl.Int128).cast(pl.String))  # beyond 64 bits: codes, kept digit by digit
    # Rows are taken out of it many times: three times as fast out of one piece. A few columns at a time save memory.
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        columns = (frame.drop_in_place(name) for name in frame.columns)
        frame = pl.DataFrame(list(pool.map(pl.Series.rechunk, columns)))
    frame.columns = plan.names
    written = Written(plan.first_row, partial(_places, path, options), _gaps(frame, plan, options))
    if not comma:
        decimals.check_comma(frame, path, written, options.as_text)
    return frame, written


def _plan(source: Path | bytes, path: Path, options: Delimited) -> _Plan:
    lines = text.head_lines(source, options.skip, options.comment)
    if not lines:
        raise DataError(f"{path}: no line holds data (data.skip={options.skip}, data.comment={options.comment})")
    delimiter = options.delimiter or text.find_delimiter(lines, options.quote, options.decimal)
    if text.is_spaced(lines, delimiter):
        data = source if isinstance(source, bytes) else source.read_bytes()
        source = text.without_spaces(data, delimiter, options.quote)
        lines = text.head_lines(source, options.skip, options.comment)
    number, first = lines[0]
    if "\ufffd" in first:
        text.check_utf8(source, path)
    raw = text.split_fields(first, delimiter, options.quote)
    names = [name.strip() or f"column_{i}" for i, name in enumerate(raw, 1)]
    if len(raw) == 1:
        header.check_single_column(path, lines, delimiter, given=options.delimiter is not None)
    has_header = options.header is None or set(names) <= set(options.header)
    if has_header:
        header.check_names(names, path, number)
        first_row = lines[1][0] if len(lines) > 1 else number + 1
    else:
        assert options.header is not None
        if len(options.header) != len(raw):
            raise DataError(
                f"{path}, line {number}: {len(raw)} fields, but data.header names {len(options.header)}: "
                "write the names of the columns as the first line of the file"
            )
        names, raw, first_row = list(options.header), [f"column_{i}" for i in range(1, len(raw) + 1)], number
    kept = frozenset(r for r, name in zip(raw, names) if name in options.as_text | options.literal)
    overrides: dict[str, type[pl.DataType]] = dict.fromkeys(kept, pl.String)
    return _Plan(source, source, delimiter, has_header, raw, names, first_row, number - 1, kept, overrides)


def _read(plan: _Plan, options: Delimited, **changed: object) -> pl.DataFrame:
    arguments: dict[str, object] = {
        "has_header": plan.has_header,
        "separator": plan.delimiter,
        "quote_char": options.quote,
        "skip_lines": plan.skip,
        "comment_prefix": options.comment,
        "null_values": [token for token in options.missing if token],
        "schema_overrides": plan.overrides,
        "infer_schema_length": _SAMPLE,
        "decimal_comma": options.decimal == ",",
        "n_rows": options.rows,
        "glob": False,
    }
    return pl.read_csv(plan.source, **{**arguments, **changed})  # type: ignore[arg-type]


def _parse(plan: _Plan, path: Path, options: Delimited) -> pl.DataFrame:
    """Parse; a column whose later values contradict its first rows is read again as what they ask for."""
    for _ in range(_RETRIES):
        try:
            return _read(plan, options)
        except pl.exceptions.NoDataError as error:
            raise DataError(f"{path}: the file holds no data") from error
        except pl.exceptions.ComputeError as error:
            refused = _REFUSED.search(str(error))
            if refused is None or refused[2] == "str":
                _diagnose(plan, path, options)
                raise DataError(f"{path}: polars cannot parse it: {str(error).splitlines()[0]}") from error
            name = plan.raw[int(refused[3]) - 1]
            plan.overrides[name] = pl.Float64 if refused[2] == "i64" and _is_number(refused[1]) else pl.String
    return _read(plan, options, infer_schema=False)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _diagnose(plan: _Plan, path: Path, options: Delimited) -> None:
    """Raise what is wrong with a file that does not parse or lacks fields; return when nothing is."""
    _check_nul(scan(plan.written, plan.delimiter, options.quote, zeros=False), path)
    text.check_utf8(plan.written, path)
    found = records(plan.written, plan.delimiter, options.quote, options.comment)
    if found.open_quote is not None:
        raise DataError(
            f"{path}, line {found.open_quote}: a quote ({options.quote}) is opened and not closed at the end of its "
            "field: close it, double it if it is part of the text, or data.quote=null if quotes mean nothing here"
        )
    wanted = len(plan.names)
    wrong = np.flatnonzero((found.fields != wanted) & (found.lines > options.skip))
    if len(wrong):
        shown = ", ".join(f"line {found.lines[i]} has {found.fields[i]}" for i in wrong[:_SHOWN])
        if len(wrong) > _SHOWN:
            shown += f", ... ({len(wrong)} rows)"
        raise DataError(
            f"{path}: expected {wanted} fields in every row, as in the first line, but {shown}: complete them, or "
            f"quote fields that hold the delimiter ({text.NAMED.get(plan.delimiter, repr(plan.delimiter))})"
        )


def _check_nul(seen: Scan, path: Path) -> None:
    if seen.nul is not None:
        raise DataError(
            f"{path}, byte offset {seen.nul}: NUL byte in a text file: is it binary, or UTF-16 without a byte order "
            f"mark (data.encoding={text.wide(seen.nul)})?"
        )


def _has_empty_rows(frame: pl.DataFrame) -> bool:
    last = frame.to_series(frame.width - 1)
    return last.null_count() > 0 and bool(
        frame.filter(last.is_null()).select(pl.all_horizontal(pl.all().is_null()).any()).item()
    )


def _check_fields(frame: pl.DataFrame, plan: _Plan, path: Path, options: Delimited, seen: Scan, gaps: bool) -> None:
    """Polars fills short rows with nulls.

    A short row lacks its last field, so without gaps in the last column there is none. Long rows are refused by
    polars, so otherwise the number of delimiters tells.
    """
    complete = not gaps or seen.separators == (frame.height + plan.has_header) * (frame.width - 1)
    balanced = options.quote is None or seen.quotes % 2 == 0
    if not (complete and balanced):
        _diagnose(plan, path, options)


def _with_text(
    frame: pl.DataFrame,
    plan: _Plan,
    options: Delimited,
    names: list[str],
    pattern: str,
    changed: dict[str, object],
) -> pl.DataFrame:
    """Read columns again as text, and keep those in which a value fits the pattern, such as codes written 007."""
    if not names:
        return frame
    written = _read(plan, options, columns=names, infer_schema=False, schema_overrides=None, **changed)
    written = written.head(frame.height)  # without blank lines at the end
    fits = [column for column in written if column.str.contains(pattern).any()]
    return frame.with_columns(fits)


def _gaps(frame: pl.DataFrame, plan: _Plan, options: Delimited) -> dict[str, pl.Series]:
    """What stands where text is null: nothing, or a token that may be a category, such as NA."""
    columns = {i: c for i, c in enumerate(frame) if c.dtype == pl.String and c.null_count()}
    if not columns or not any(options.missing):
        return {}
    first = max(int(column.is_null().arg_max() or 0) for column in columns.values())
    rows = min(first + _GAPS, frame.height)
    whole = {"infer_schema": False, "schema_overrides": None, "null_values": None}
    written = _read(plan, options, columns=list(columns), n_rows=rows, **whole)
    pairs = zip(columns.values(), written, strict=True)
    return {column.name: cells.filter(column.head(rows).is_null()) for column, cells in pairs}


def _places(path: Path, options: Delimited, rows: Sequence[int], column: str) -> list[Place]:
    """Lines and fields of some rows of a column; see :class:`Written`."""
    plan = _plan(text.load(path, options.encoding), path, options)
    found = records(plan.written, plan.delimiter, options.quote, options.comment)
    at = np.flatnonzero(found.lines > plan.skip)[plan.has_header :]
    places: list[Place] = []
    for row in rows:
        fields = dict(zip(plan.names, text.split_fields(found.text(at[row]), plan.delimiter, options.quote)))
        places.append((int(found.lines[at[row]]), fields.get(column)))
    return places

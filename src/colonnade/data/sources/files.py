"""Files of every kind: the content, or failing that the ending, says how one is read."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from colonnade.core.errors import DataError, closest
from colonnade.data.sources import text
from colonnade.data.sources.delimited import Delimited, read_delimited
from colonnade.data.sources.tracing import is_tracing, read_tracing
from colonnade.data.sources.ts import read_ts
from colonnade.data.sources.ucr import is_ucr, read_ucr
from colonnade.data.sources.written import Place, Written

_JSON = (".jsonl", ".ndjson", ".json")
_KNOWN = ".csv, .tsv, .txt (each also .gz), .parquet, .arrow, .feather, .jsonl, .json, .ts (also .gz)"
_SHOWN = 5


def read_file(path: Path | str, options: Delimited) -> tuple[pl.DataFrame, Written | None]:
    """Read a file.

    Args:
        path: CSV or TSV (plain or gzip), Parquet, Arrow or Feather, or JSON (plain or gzip): an object on each line,
            or an array of objects; ``.ts`` of the UCR and UEA archives, ``.tsv`` of the UCR archive, or the three
            lines for each student of knowledge tracing (plain or gzip).
        options: how delimited text is written; ``header`` also names the columns of a Parquet file that calls them 0,
            1, ...

    Returns:
        The frame, and the line that holds its first row; None for binary files and arrays.

    Raises:
        DataError: the file does not exist, is of another kind, or is at fault.
    """
    path = find(path)
    with path.open("rb") as file:
        magic = file.read(8)
    first_row: Written | None = None
    ending = next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), "")
    try:
        if magic.startswith(b"PAR1") or ending == ".parquet":
            frame = pl.read_parquet(path, glob=False)
        elif magic.startswith(b"ARROW1"):
            frame = pl.read_ipc(path)
        elif ending in (".arrow", ".feather", ".ipc"):
            frame = pl.read_ipc_stream(path)
        elif magic.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise DataError(f"{path}: a spreadsheet or zip archive: save the table as CSV or Parquet (known: {_KNOWN})")
        elif ending == ".ts":
            return read_ts(path), None
        elif ending == ".tsv" and options.header is None and is_ucr(path):
            return read_ucr(path), None
        elif ending in _JSON:
            frame, first_row = _read_json(path, options.encoding)
        elif is_tracing(path):
            return read_tracing(path), None
        else:
            return read_delimited(path, options)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: damaged or not what its name says: {str(error).splitlines()[0]}") from error
    if frame.height == 0:
        raise DataError(f"{path}: 0 rows ({frame.width} columns)")
    if options.header is not None and frame.columns == [str(i) for i in range(len(options.header))]:
        frame.columns = list(options.header)
    return frame, first_row


def find(path: Path | str) -> Path:
    """An existing file, or an error that names those with a similar name beside it."""
    if "://" in str(path):
        raise DataError(f"data.path={path}: only local files are read; download it first")
    found = Path(path).expanduser()
    if found.is_dir():
        raise DataError(f"data.path={path} is a folder: name a file in it")
    if not found.is_file():
        beside = [p.name for p in found.parent.iterdir() if p.is_file()] if found.parent.is_dir() else []
        near = closest(found.name, beside) if found.parent.is_dir() else f"; there is no folder {found.parent}"
        raise DataError(f"data.path={path}: no such file{near}")
    return found


def _read_json(path: Path, encoding: str) -> tuple[pl.DataFrame, Written | None]:
    """Objects, one a line or all in an array; the line of the first where they are one a line."""
    source = text.load(path, encoding)
    head = text.first_bytes(source)
    if head.startswith(codecs.BOM_UTF8):
        source = (source if isinstance(source, bytes) else source.read_bytes()).removeprefix(codecs.BOM_UTF8)
    array = head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    try:
        # A key may appear in late rows only; polars drops those beyond the rows it looked at, so it looks at all.
        if array:
            return pl.read_json(source, infer_schema_length=None), None
        frame = pl.read_ndjson(source, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        text.check_utf8(source, path)
        data = source if isinstance(source, bytes) else source.read_bytes()
        _diagnose(path, [(1, data.decode())] if array else _lines(data), array=array)
        raise DataError(f"{path}: polars cannot parse it: {str(error).splitlines()[0]}") from error
    first = next((line for line, _ in _lines(head)), 1)
    return frame, Written(first, partial(_places, path, encoding))


def _lines(data: bytes) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    lines = enumerate(data.decode(errors="replace").removeprefix("\ufeff").split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _places(path: Path, encoding: str, rows: Sequence[int], column: str) -> list[Place]:
    """Lines of some rows of JSON lines; see :class:`Written`."""
    source = text.load(path, encoding)
    numbers = [number for number, _ in _lines(source if isinstance(source, bytes) else source.read_bytes())]
    return [(numbers[row], None) for row in rows]


def _diagnose(path: Path, values: Iterable[tuple[int, str]], *, array: bool) -> None:
    """Raise what is wrong with texts, each from a line on: an object each, or one array of objects."""
    numbers: list[str] = []

    def real(written: str) -> None:
        if math.isinf(float(written)):
            numbers.append(written)

    decoder = json.JSONDecoder(parse_constant=numbers.append, parse_float=real)
    found: list[str] = []
    for line, written in values:
        try:
            value = decoder.decode(written)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {line + error.lineno - 1}: not JSON ({error.msg} at column {error.colno}): an object on "
                "each line is expected, or an array of objects"
            ) from error
        for i, item in enumerate(value if array else [value]):
            if not isinstance(item, dict):
                place, short = (f"item {i}", str(item)) if array else (f"line {line}", written.strip())
                raise DataError(f'{path}, {place}: expected an object like {{"age": 39}}, found {short[:40]}')
        at = 0
        for number in numbers:
            at = written.index(number, at) + 1
            found.append(f"line {line + written.count(chr(10), 0, at)}: {number}")
        numbers.clear()
    if found:
        shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise DataError(
            f"{path}: {len(found)} values are no finite numbers ({shown}): correct them, or write null where they are "
            "missing"
        )

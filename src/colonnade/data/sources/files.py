"""Files of every kind: the content, or failing that the ending, says how one is read."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from colonnade.core.errors import DataError, closest
from colonnade.data.sources import text
from colonnade.data.sources.delimited import Delimited, read_delimited

_LINES = (".jsonl", ".ndjson")
_KNOWN = ".csv, .tsv, .txt (each also .gz), .parquet, .arrow, .feather, .jsonl"


def read_file(path: Path | str, options: Delimited) -> tuple[pl.DataFrame, int | None]:
    """Read a file.

    Args:
        path: CSV or TSV (plain or gzip), Parquet, Arrow or Feather, or JSON lines (plain or gzip).
        options: how delimited text is written; ``header`` also names the columns of a Parquet file that calls them 0,
            1, ...

    Returns:
        The frame, and the line that holds its first row; None for binary files.

    Raises:
        DataError: the file does not exist, is of another kind, or is at fault.
    """
    path = find(path)
    with path.open("rb") as file:
        magic = file.read(8)
    first_row: int | None = None
    suffixes = [s.lower() for s in path.suffixes]
    try:
        if magic.startswith(b"PAR1") or suffixes[-1:] == [".parquet"]:
            frame = pl.read_parquet(path, glob=False)
        elif magic.startswith(b"ARROW1"):
            frame = pl.read_ipc(path)
        elif suffixes[-1:] in ([".arrow"], [".feather"], [".ipc"]):
            frame = pl.read_ipc_stream(path)
        elif magic.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise DataError(f"{path}: a spreadsheet or zip archive: save the table as CSV or Parquet (known: {_KNOWN})")
        elif any(s in _LINES for s in suffixes):
            frame, first_row = _read_lines(path, options.encoding), 1
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


def _read_lines(path: Path, encoding: str) -> pl.DataFrame:
    source = text.load(path, encoding)
    try:
        # A key may appear in late rows only; polars drops those beyond the rows it looked at, so it looks at all.
        return pl.read_ndjson(source, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        _diagnose_lines(source, path)
        raise DataError(f"{path}: polars cannot parse it: {str(error).splitlines()[0]}") from error


def _diagnose_lines(source: Path | bytes, path: Path) -> None:
    text.check_utf8(source, path)
    data = source if isinstance(source, bytes) else source.read_bytes()
    for number, line in enumerate(data.decode().splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: not JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(value, dict):
            raise DataError(f'{path}, line {number}: expected an object like {{"age": 39}}, found {line.strip()[:40]}')

"""Text files as bytes in UTF-8: compression, byte order marks, encodings, line ends, spaced and unknown delimiters."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from pathlib import Path

from colonnade.core.errors import DataError

HEAD = 1 << 18
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16")
NAMED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load(path: Path, encoding: str) -> Path | bytes:
    """A file in UTF-8: itself when it is so already and plain, otherwise its bytes, unpacked and decoded.

    Args:
        path: plain or gzip; a UTF-16 byte order mark counts more than ``encoding``.
        encoding: name of a Python codec.

    Raises:
        DataError: the file is empty, its compression is damaged, or a byte is not of the encoding.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    data: bytes | None = None
    if head.startswith(_GZIP):
        try:
            data = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: damaged or truncated gzip file ({error}): fetch it again") from error
        if not data:
            raise DataError(f"{path}: the file is empty (0 bytes after decompression)")
        head = data[:HEAD]
    if head.startswith(_UTF16):
        encoding = "utf-16"
    try:
        plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError as error:
        raise DataError(f"data.encoding={encoding} is no known encoding: {', '.join(ENCODINGS)}, ...") from error
    lone_returns = b"\r" in head and b"\n" not in head
    if plain and not lone_returns:
        return path if data is None else data
    data = path.read_bytes() if data is None else data
    if not plain:
        data = _decode(data, encoding, path).encode()
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if lone_returns else data


def _decode(data: bytes, encoding: str, path: Path) -> str:
    try:
        decoded = data.decode(encoding)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        raise DataError(
            f"{path}, byte offset {start} (line {line_at(data, start)}): not {encoding} ({error}): "
            "set data.encoding to the one it was written in"
        ) from error
    # Almost any bytes are characters of UTF-16; but a table has commas and line ends, which are of one byte elsewhere.
    if not any(character < "\x80" for character in decoded[:HEAD]):
        nul = data[:HEAD].find(0)
        other = "utf-8" if nul < 0 else wide(nul)
        raise DataError(
            f"{path}, byte offset 0: not {encoding}: read so, it begins with {decoded[:6]!r} and has no ASCII "
            f"character: data.encoding={other}"
        )
    return decoded


def wide(nul: int) -> str:
    """The kind of UTF-16 whose first NUL byte has this offset: it is the second byte of an ASCII character, or the
    first."""
    return "utf-16-le" if nul % 2 else "utf-16-be"


def check_utf8(source: Path | bytes, path: Path) -> None:
    """Say where a text ceases to be UTF-8.

    Raises:
        DataError: names the byte, its offset, its line, and the encodings to try.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, byte offset {error.start} (line {line_at(data, error.start)}): byte 0x{data[error.start]:02x} "
            "is not UTF-8: data.encoding=cp1252 (Windows, western Europe), latin-1 or the one it was written in"
        ) from error


def line_at(data: bytes, offset: int) -> int:
    """Line, from 1, that holds a byte."""
    return data.count(b"\n", 0, offset) + 1


def first_bytes(source: Path | bytes) -> bytes:
    """The beginning, to judge the rest by."""
    if isinstance(source, bytes):
        return source[:HEAD]
    with source.open("rb") as file:
        return file.read(HEAD)


def head_lines(source: Path | bytes, skip: int = 0, comment: str | None = None, n: int = 50) -> list[tuple[int, str]]:
    """The first lines that hold records, with their line numbers from 1; blank and comment lines are left out."""
    data = first_bytes(source)
    # Cut in the middle of a character or line, the last line must not be judged.
    text = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = text.split("\n")
    if len(data) == HEAD and len(lines) > 1:
        lines.pop()
    found = [(i, line.removesuffix("\r")) for i, line in enumerate(lines, 1) if i > skip]
    return [(i, line) for i, line in found if line.strip() and not (comment and line.startswith(comment))][:n]


def split_fields(line: str, delimiter: str, quote: str | None) -> list[str]:
    """Fields of one record."""
    if quote is None:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=True))
    except csv.Error:  # a field beyond csv's limit
        return line.split(delimiter)


def find_delimiter(lines: list[tuple[int, str]], quote: str | None, decimal: str) -> str:
    """The delimiter that parts the first lines into the same number of fields; the comma when none does.

    >>> find_delimiter([(1, "a;b;c"), (2, "1,5;2;3,5")], '"', ".")
    ';'
    """
    best, score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        if delimiter == decimal:
            continue
        counts = [len(split_fields(line, delimiter, quote)) for _, line in lines]
        if counts and counts[0] > 1:
            agreement = counts.count(counts[0]) / len(counts)
            if (agreement, counts[0]) > score:
                best, score = delimiter, (agreement, counts[0])
    return best


def is_spaced(lines: list[tuple[int, str]], delimiter: str) -> bool:
    """A space follows the delimiters of every line, as in ``39, State-gov, 77516``."""
    if delimiter.isspace() or not lines:
        return False
    pairs = [(line.count(delimiter), line.count(delimiter + " ")) for _, line in lines]
    return all(n > 0 and spaced == n for n, spaced in pairs)


def without_spaces(data: bytes, delimiter: str, quote: str | None) -> bytes:
    """Take out the spaces after delimiters, except within quotes."""
    mark = delimiter.encode()
    if quote is None or quote.encode() not in data:
        while mark + b" " in data:
            data = data.replace(mark + b" ", mark)
        return data
    q = re.escape(quote.encode())
    pattern = re.compile(rb"(" + q + rb"[^" + q + rb"]*" + q + rb")|" + re.escape(mark) + rb" +")
    return pattern.sub(lambda m: m.group(1) or mark, data)


def trailing_blank_lines(source: Path | bytes) -> int:
    """Number of empty lines at the very end."""
    if isinstance(source, bytes):
        tail = source[-HEAD:]
    else:
        with source.open("rb") as file:
            file.seek(max(0, source.stat().st_size - HEAD))
            tail = file.read()
    end = tail[len(tail.rstrip(b"\r\n")) :]
    return max(0, end.count(b"\n") - 1)


def has_blank_lines(source: Path | bytes) -> bool:
    """Some line is empty."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    return data.startswith((b"\n", b"\r\n")) or b"\n\n" in data or b"\n\r\n" in data


def without_blank_lines(data: bytes, skip: int, quote: str | None) -> bytes:
    """Take out the empty lines below the first ``skip``, except within quotes; polars reads them as rows of nulls."""
    start = 0
    for _ in range(skip):
        start = data.find(b"\n", start) + 1
    head, body = data[:start], data[start:].lstrip(b"\r\n")
    if quote is None or quote.encode() not in body:
        return head + re.sub(rb"\n(?:\r?\n)+", b"\n", body)
    q = re.escape(quote.encode())
    pattern = re.compile(rb"(" + q + rb"[^" + q + rb"]*" + q + rb")|\n(?:\r?\n)+")
    return head + pattern.sub(lambda m: m.group(1) or b"\n", body)

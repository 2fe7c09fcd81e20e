"""Header: what the first lines of a delimited text say about its columns, and what must not be taken for a header."""

from __future__ import annotations

import re
from pathlib import Path

from colonnade.core.errors import DataError
from colonnade.data.sources.text import DELIMITERS, NAMED

_SHOWN = 5


def check_single_column(path: Path, lines: list[tuple[int, str]], delimiter: str, *, given: bool) -> None:
    """Refuse a single column in which another delimiter stands.

    Args:
        path: of the file, for messages.
        lines: the first lines with their numbers.
        delimiter: at which they were split.
        given: it was the user's choice; blanks are then words.
    """
    number, first = lines[0]
    at = f"{path}, line {number}: one column when split at the {NAMED.get(delimiter, repr(delimiter))}, but it holds "
    for other in DELIMITERS:
        if other != delimiter and other in first:
            raise DataError(f"{at}{NAMED[other]}s: data.delimiter={NAMED[other]}")
    fields = [line.split() for _, line in lines]
    if given or len(lines) < 3 or len(fields[0]) < 2 or len({len(row) for row in fields}) > 1:
        return
    if all(line.split(" ") == row for (_, line), row in zip(lines, fields)):
        raise DataError(
            f"{at}as many blanks as the lines below: data.delimiter=space, or data.delimiter=comma if it is one column"
        )
    raise DataError(
        f"{at}{len(fields[0])} words, as the lines below do: write one delimiter between the columns, or "
        "data.delimiter=comma if it is one column"
    )


def check_names(names: list[str], path: Path, number: int) -> None:
    """Refuse names that stand twice, and numbers, which are a row of data."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names, 1):
        places.setdefault(name, []).append(i)
    repeated = [f"'{n}' (columns {', '.join(map(str, at))})" for n, at in places.items() if len(at) > 1]
    if repeated:
        raise DataError(
            f"{path}, line {number}: duplicate column names {', '.join(repeated[:_SHOWN])}: "
            "give each column its own name"
        )
    numbers = [n for n in names if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", n)]
    positions = [str(i) for i in range(len(names))]
    if len(numbers) == len(names) > 1 and names not in (positions, [str(i + 1) for i in range(len(names))]):
        raise DataError(
            f"{path}, line {number}: expected column names, found the numbers {', '.join(names[:3])}, ...: "
            "for a file without a header line, data.header=[name1,name2,...]"
        )

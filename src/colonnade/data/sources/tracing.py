"""The three lines of knowledge tracing: for each student the number of answers, their skills, and which were right.

The lists are divided by commas and may end with one. It is that of the data that Piech et al., "Deep Knowledge Tracing"
(2015), and those after them train on.
"""

from __future__ import annotations

import gzip
import re
from itertools import islice
from pathlib import Path
from typing import TextIO

import polars as pl

from colonnade.core.errors import DataError, Faults

COLUMNS = ("student", "skill", "correct")
_COUNT = re.compile(r"\d+,?")
_LIST = re.compile(r"-?\d+(,-?\d+)*,?")


def is_tracing(path: Path) -> bool:
    """Whether a file begins as this format does: a number of answers, 2 or more, and two lists of as many integers."""
    try:
        with _opened(path) as file:
            lines = [line.strip() for line in islice(file, 3)]
    except (OSError, EOFError, UnicodeDecodeError):
        return False
    if len(lines) < 3 or not _COUNT.fullmatch(lines[0]) or not all(_LIST.fullmatch(line) for line in lines[1:]):
        return False
    n = int(lines[0].rstrip(","))
    # A table of one column of integers begins alike where there is one answer.
    return n > 1 and all(len(_split(line)) == n for line in lines[1:])


def read_tracing(path: Path) -> pl.DataFrame:
    """Read a file, plain or gzip.

    Args:
        path: of the file.

    Returns:
        A row for each answer, in order: ``student`` (0, 1, ...), ``skill``, and ``correct`` (0 or 1), int64.

    Raises:
        DataError: with every faulty student: lists of another length than the number before them says, or values that
            are no integers; or the file is cut off.
    """
    with _opened(path) as file:
        lines = [line.strip() for line in file]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) % 3:
        raise DataError(f"{path}: {len(lines):,} lines, three for each student: the last one is cut off")
    faults = Faults()
    counts: list[int] = []
    values: tuple[list[str], list[str]] = ([], [])
    for at in range(0, len(lines), 3):
        count, *lists = lines[at : at + 3]
        if not _COUNT.fullmatch(count) or not all(_LIST.fullmatch(line) for line in lists):
            faults.add(f"lines {at + 1} to {at + 3}: a number, and two lists of integers, are expected")
            continue
        found = [_split(line) for line in lists]
        if any(len(each) != int(count.rstrip(",")) for each in found):
            lengths = " and ".join(str(len(each)) for each in found)
            faults.add(f"lines {at + 1} to {at + 3}: {count.rstrip(',')} answers are told, and {lengths} listed")
            continue
        counts.append(len(found[0]))
        for column, each in zip(values, found, strict=True):
            column.extend(each)
    faults.raise_if_any(DataError, str(path))
    student, skill, correct = COLUMNS
    ids = pl.Series(student, range(len(counts)), dtype=pl.Int64)
    numbers = {skill: pl.Series(values[0]).cast(pl.Int64), correct: pl.Series(values[1]).cast(pl.Int64)}
    of = pl.DataFrame([ids, pl.Series("n", counts)]).select(pl.col(student).repeat_by("n").explode())
    return of.with_columns(**numbers)


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _split(line: str) -> list[str]:
    return line.rstrip(",").split(",")

"""The ``.tsv`` files of the UCR archive (2018): a series of one channel on each line, behind its class.

There is no header. Series of different length end with ``NaN``. See
https://www.cs.ucr.edu/~eamonn/time_series_data_2018/
"""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, Faults
from colonnade.data.sources.ts import CLASS, frame_of

_FEWEST = 3
"""A class and two steps: with fewer, a line may be anything."""


def is_ucr(path: Path) -> bool:
    """Whether a file begins as this format does: a line of numbers alone, divided by tabs, that are no names 0, 1, ...
    or 1, 2, ... of columns."""
    try:
        with _opened(path) as file:
            fields = next(islice(file, 1), "").rstrip("\r\n").split("\t")
        numbers = [float(field) for field in fields]
    except (OSError, EOFError, ValueError):
        return False
    named = [[float(i + first) for i in range(len(numbers))] for first in (0, 1)]
    return len(numbers) >= _FEWEST and numbers not in named


def read_ucr(path: Path) -> pl.DataFrame:
    """Read a file, plain or gzip.

    Args:
        path: of the file.

    Returns:
        A row for each step, as of a ``.ts`` file: ``series`` (0, 1, ...), ``dim_0``, null where a value before the end
        of its series is missing, and ``class`` (text).

    Raises:
        DataError: with every faulty line: no numbers, or no value behind the class.
    """
    faults = Faults()
    series: list[np.ndarray] = []
    classes: list[str] = []
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            label, *values = line.rstrip("\r\n").split("\t")
            try:
                # Older files write the classes as 1.0000000e+00.
                classes.append(f"{float(label):g}")
                steps = np.array(values, dtype=np.float64)
            except ValueError as error:
                faults.add(f"line {number}: {error}")
                continue
            there = np.flatnonzero(~np.isnan(steps))
            if not len(there):
                faults.add(f"line {number}: no value behind the class: a sequence has at least one step")
                continue
            series.append(steps[None, : there[-1] + 1])
    faults.raise_if_any(DataError, str(path))
    return frame_of(series, classes, CLASS, path)


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")

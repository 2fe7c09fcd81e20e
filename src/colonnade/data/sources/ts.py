"""The `.ts` format of the UCR and UEA archives: series of one or several channels, each with a label.

A header of ``@`` lines, ``@data``, then a series on each line: channels divided by ``:``, their values by ``,``, and
the label at the end. See https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, Faults

SERIES = "series"
"""Column that numbers the series."""
CLASS, TARGET = "class", "target"
"""Column of the labels: classes, or numbers."""
_SWITCHES = ("timestamps", "classlabel", "targetlabel")


def read_ts(path: Path) -> pl.DataFrame:
    """Read a file, plain or gzip.

    Args:
        path: of the file.

    Returns:
        A row for each step, in order: ``series`` (0, 1, ...), ``dim_0`` ... of the channels, null where the file has
        ``?`` or ``NaN``, and ``class`` (text) or ``target`` (numbers) if the file has labels.

    Raises:
        DataError: with every faulty line: channels of different lengths or too few of them, no values, no numbers, a
            label that the header does not list; or time stamps, which are not read.
    """
    try:
        stored = path.read_bytes()
        lines = (gzip.decompress(stored) if path.suffix == ".gz" else stored).decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged or not what its name says: {error}") from error
    header, first = _header(lines, path)
    labels = CLASS if "classlabel" in header else TARGET if "targetlabel" in header else None
    known = set(header.get("classlabel", ()))
    faults = Faults()
    series: list[np.ndarray] = []
    found: list[str] = []
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip() or line.startswith(("#", "%")):
            continue
        channels = line.strip().split(":")
        if labels is not None:
            found.append(channels.pop().strip())
            if known and found[-1] not in known:
                faults.add(f"line {number}: the class '{found[-1]}' is not in @classLabel: {', '.join(sorted(known))}")
        values = _values(channels, number, faults)
        if values is None:
            continue
        if series and len(values) != len(series[0]):
            faults.add(f"line {number}: {len(values)} channels, and {len(series[0])} before")
            continue
        series.append(values)
    faults.raise_if_any(DataError, str(path))
    if not series:
        raise DataError(f"{path}: 0 series behind @data")
    return frame_of(series, found, labels, path)


def _header(lines: list[str], path: Path) -> tuple[dict[str, list[str]], int]:
    """What the header switches on, with its words, and the line behind it."""
    header: dict[str, list[str]] = {}
    for number, line in enumerate(lines):
        key, *words = line.strip().split() or [""]
        name = key.removeprefix("@").lower()
        if key.startswith("@") and name == "data":
            if "timestamps" in header:
                raise DataError(f"{path}: @timeStamps true is not read: write the table with a row for each step")
            return header, number + 1
        if name in _SWITCHES and words and words[0].lower() == "true":
            header[name] = words[1:]
    raise DataError(f"{path}: there is no line @data, as a .ts file has before its series")


def _values(channels: list[str], number: int, faults: Faults) -> np.ndarray | None:
    """The channels of a line, ``(C, T)`` float64; None, and a fault, when it is wrong."""
    try:
        # The archive writes a missing value as ?.
        values = [np.array(c.replace("?", "nan").split(","), dtype=np.float64) for c in channels if c.strip()]
    except ValueError as error:
        faults.add(f"line {number}: {error}")
        return None
    if not values or len(values) < len(channels):
        faults.add(f"line {number}: a series without values: a sequence has at least one step")
        return None
    lengths = {len(v) for v in values}
    if len(lengths) > 1:
        faults.add(f"line {number}: channels of {' and '.join(map(str, sorted(lengths)))} values in one series")
        return None
    return np.stack(values)


def frame_of(series: list[np.ndarray], found: list[str], labels: str | None, path: Path) -> pl.DataFrame:
    """A row for each step, see :func:`read_ts`.

    Args:
        series: ``(C, T)`` each.
        found: their labels, as written.
        labels: the column that they become; None: there are none.
        path: of the file, for messages.

    Raises:
        DataError: a label is no number where the column is that of numbers.
    """
    lengths = np.array([values.shape[1] for values in series])
    steps = np.concatenate(series, axis=1)
    columns: dict[str, pl.Series] = {SERIES: pl.Series(np.repeat(np.arange(len(series)), lengths))}
    columns |= {f"dim_{i}": pl.Series(values).fill_nan(None) for i, values in enumerate(steps)}
    if labels is not None:
        column = pl.Series(found)
        if labels == TARGET:
            column = column.cast(pl.Float64, strict=False)
            if column.null_count():
                raise DataError(f"{path}: {column.null_count()} targets are no numbers")
        columns[labels] = column.gather(np.repeat(np.arange(len(series)), lengths))
    return pl.DataFrame(columns)

"""Calendar: datetimes become numbers such as the month, by exact integer arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import closest
from colonnade.data.columns import MISSING_TIME, Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, exact

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

PARTS = ("year", "month", "day", "weekday", "dayofyear", "hour", "minute", "elapsed")
PERIODS = {"month": 12, "day": 31, "weekday": 7, "dayofyear": 366, "hour": 24, "minute": 60}
"""Length of the circle of each part that comes round again."""


class Calendar(Step):
    """Replace each datetime by measured columns ``<name>.<part>``; a missing datetime gives missing values.

    Datetimes with a zone are taken in UTC, others as they stand. Monday is weekday 0. ``elapsed`` is the time in days
    since the earliest train row. Comes before the step that fills missing values.

    Args:
        parts: some of ``year, month, day, weekday, dayofyear, hour, minute, elapsed``.
        cyclic: give parts that come round again as sine and cosine, ``<name>.<part>.sin`` and ``.cos``, so that
            December lies beside January.

    Raises:
        ValueError: an unknown part, or none.
    """

    makes_missing = True

    def __init__(
        self,
        *,
        parts: Sequence[str] = ("year", "month", "day", "weekday", "hour", "elapsed"),
        cyclic: bool = False,
    ) -> None:
        for part in parts:
            if part not in PARTS:
                raise ValueError(f"parts holds {part!r}, which is none of {', '.join(PARTS)}{closest(part, PARTS)}")
        if not parts:
            raise ValueError(f"parts must name at least one of {', '.join(PARTS)}")
        self.parts = tuple(parts)
        self.cyclic = cyclic

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Find the earliest train row. See :meth:`Step.fit`."""
        if not layout.time:
            return Fitted(None, layout)
        time = train.columns.time
        earliest = time.masked_fill(time == MISSING_TIME, torch.iinfo(torch.int64).max).amin(1, keepdim=True)
        origin = torch.where(earliest == torch.iinfo(torch.int64).max, 0, earliest)
        module = CalendarParts(names=layout.time, parts=self.parts, cyclic=self.cyclic, added=(), origin=origin)
        module.added = layout.fresh(f"{name}.{suffix}" for name, suffix in module.sources())
        return Fitted(module, replace(layout, num=layout.num + module.added, time=()))


class CalendarParts(FittedStep):
    """Fitted :class:`Calendar`.

    Args:
        names: datetimes.
        parts, cyclic: see :class:`Calendar`.
        added: columns it adds, part after part, and in each one datetime after the other.
        origin: ``(D, 1)`` int64 microseconds, where ``elapsed`` begins.
    """

    origin: Tensor

    def __init__(
        self, *, names: Sequence[str], parts: Sequence[str], cyclic: bool, added: Sequence[str], origin: Tensor
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.parts = tuple(parts)
        self.cyclic = cyclic
        self.added = tuple(added)
        self.register_buffer("origin", origin)

    def forward(self, columns: Columns) -> Columns:
        """Append the parts, and leave out the datetimes."""
        time = columns.time
        missing = time == MISSING_TIME
        # Arithmetic on the stand-in for "missing" would leave the range of int64.
        time = torch.where(missing, 0, time)
        found = parts_of(time, self.parts)
        found["elapsed"] = (time - self.origin).to(torch.float64) / exact(DAY)
        values: list[Tensor] = []
        for part in self.parts:
            value = found[part].to(torch.float64)
            if self.cyclic and part in PERIODS:
                angle = value * exact(2 * math.pi / PERIODS[part])
                values += [torch.sin(angle), torch.cos(angle)]
            else:
                values.append(value)
        values = [torch.where(missing, torch.nan, value) for value in values]
        return columns._replace(num=torch.cat([columns.num, *values]), time=columns.time[:0])

    def sources(self) -> list[tuple[str, str]]:
        """Datetime and part of each added column."""
        suffixes: list[str] = []
        for part in self.parts:
            suffixes += [f"{part}.sin", f"{part}.cos"] if self.cyclic and part in PERIODS else [part]
        return [(name, suffix) for suffix in suffixes for name in self.names]

    def options(self) -> dict[str, Any]:
        """Names, parts and form."""
        return {"names": self.names, "parts": self.parts, "cyclic": self.cyclic, "added": self.added}

    def features(self) -> list[Feature]:
        """Part and datetime."""
        origin = dict(zip(self.names, self.origin[:, 0].tolist(), strict=True))
        told = []
        for new, (name, part) in zip(self.added, self.sources(), strict=True):
            since = f"days from {np.datetime64(origin[name], 'us')} to {name}"
            told.append(Feature(new, since if part == "elapsed" else f"{part} of {name}", (name,)))
        return told


def parts_of(time: Tensor, wanted: Sequence[str]) -> dict[str, Tensor]:
    """Calendar parts in the Gregorian calendar, before 1970 too.

    Only ``//`` and ``torch.remainder`` are used: they round towards minus infinity, and export exactly, where
    ``torch.div(rounding_mode=...)`` goes through float32. The date is found as in Hinnant, "chrono-compatible low-level
    date algorithms" (2013): years begin in March, in eras of 400 years.

    Args:
        time: int64 microseconds since 1970, any shape.
        wanted: parts that are needed; ``elapsed`` is left out.

    Returns:
        Each wanted part, int64, of the same shape.
    """
    day = time // DAY
    clock = torch.remainder(time, DAY)
    shifted = day + 719_468
    day_of_era = torch.remainder(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    march_day = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * march_day + 2) // 153
    month = torch.remainder(march_month + 2, 12) + 1
    year = year_of_era + shifted // 146_097 * 400 + (month <= 2).to(torch.int64)
    leap = (torch.remainder(year, 4) == 0) & ((torch.remainder(year, 100) != 0) | (torch.remainder(year, 400) == 0))
    found = {
        "year": year,
        "month": month,
        "day": march_day - (153 * march_month + 2) // 5 + 1,
        "weekday": torch.remainder(day + 3, 7),
        # The 1st of March is day 60, or 61 of a leap year; January begins on day 306 of the year before.
        "dayofyear": torch.where(march_month >= 10, march_day - 305, march_day + 60 + leap.to(torch.int64)),
        "hour": clock // HOUR,
        "minute": torch.remainder(clock // MINUTE, 60),
    }
    return {part: value for part, value in found.items() if part in wanted}

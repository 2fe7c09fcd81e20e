"""Drop: columns that say nothing in the train rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import FIRST_LEVEL, MISSING, MISSING_TIME, Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of
from colonnade.data.steps.statistics import extremes


class Drop(Step):
    """Leave out columns that are constant or hold no value in the train rows, and log each.

    A constant column with missing values stays: that a value is missing may mean something.

    Args:
        constant: drop constant columns.
        empty: drop columns without any value.
    """

    def __init__(self, *, constant: bool = True, empty: bool = True) -> None:
        self.constant = constant
        self.empty = empty

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Look for such columns. See :meth:`Step.fit`."""
        num, flag, _, time = train.columns
        categories = [self._category(count, levels) for count, levels in zip(layout.counts, layout.levels, strict=True)]
        reasons = (self._numbers(num), self._numbers(flag), categories, self._times(time))
        names = (layout.num, layout.flag, layout.cat, layout.time)
        log = [
            f"column '{name}' dropped: {reason} in the train rows"
            for block, why in zip(names, reasons, strict=True)
            for name, reason in zip(block, why, strict=True)
            if reason
        ]
        if not log:
            return Fitted(None, layout)
        if num.shape[1] < len(train):
            log.append(f"numbers and datetimes were looked at in {num.shape[1]:,} of {len(train):,} train rows")
        kept = [[i for i, reason in enumerate(why) if not reason] for why in reasons]
        module, new = keep_columns(layout, *kept)
        return Fitted(module, new, log)

    def _reason(self, empty: bool, constant: bool, value: str) -> str:
        if empty:
            return "no value" if self.empty else ""
        return f"constant ({value})" if constant and self.constant else ""

    def _numbers(self, num: Tensor) -> list[str]:
        least, largest = extremes(num)
        some = num.isnan().any(1)
        rows = zip(least.tolist(), largest.tolist(), some.tolist(), strict=True)
        return [self._reason(low > high, low == high and not missing, f"{low:g}") for low, high, missing in rows]

    def _times(self, time: Tensor) -> list[str]:
        missing = time == MISSING_TIME
        same = (time == time[:, :1]).all(1) & ~missing.any(1)
        rows = zip(missing.all(1).tolist(), same.tolist(), strict=True)
        return [self._reason(empty, constant, "one datetime") for empty, constant in rows]

    def _category(self, count: Tensor, levels: Sequence[str]) -> str:
        present = count.nonzero()[:, 0].tolist()
        if len(present) > 1:
            return ""
        code = present[0] if present else MISSING
        if code < FIRST_LEVEL:
            return self._reason(code == MISSING, True, "rare")
        return self._reason(False, True, f"'{levels[code - FIRST_LEVEL]}'")


def keep_columns(
    layout: Layout, num: Sequence[int], flag: Sequence[int], cat: Sequence[int], time: Sequence[int]
) -> tuple[Kept, Layout]:
    """The step that keeps the columns at these positions of each block, and the layout of them."""
    new = replace(
        layout.with_categories(cat),
        num=tuple(layout.num[i] for i in num),
        flag=tuple(layout.flag[i] for i in flag),
        time=tuple(layout.time[i] for i in time),
    )
    return Kept(num=index_of(num), flag=index_of(flag), cat=index_of(cat), time=index_of(time)), new


class Kept(FittedStep):
    """Fitted :class:`Drop`.

    Args:
        num, flag, cat, time: positions that stay in each block, int64.
    """

    num: Tensor
    flag: Tensor
    cat: Tensor
    time: Tensor

    def __init__(self, *, num: Tensor, flag: Tensor, cat: Tensor, time: Tensor) -> None:
        super().__init__()
        self.register_buffer("num", num)
        self.register_buffer("flag", flag)
        self.register_buffer("cat", cat)
        self.register_buffer("time", time)

    def forward(self, columns: Columns) -> Columns:
        """Keep the chosen columns."""
        return Columns(
            num=columns.num.index_select(0, self.num),
            flag=columns.flag.index_select(0, self.flag),
            cat=self.recode(columns.cat),
            time=columns.time.index_select(0, self.time),
        )

    def recode(self, cat: Tensor) -> Tensor:
        """Keep the chosen categories."""
        return cat.index_select(0, self.cat)

    def options(self) -> dict[str, Any]:
        """None."""
        return {}

    def features(self) -> list[Feature]:
        """Columns that stay are not changed."""
        return []

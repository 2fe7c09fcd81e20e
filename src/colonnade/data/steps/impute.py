"""Impute: missing numbers are filled, and flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of
from colonnade.data.steps.statistics import moments, quantiles


class Impute(Step):
    """Fill missing values of measured columns with a statistic of the train rows.

    Args:
        strategy: ``"median"``, ``"mean"`` or ``"constant"``.
        fill: the constant; also for columns that hold no train value at all.
        flag: add a 0/1 column ``<name>.missing`` for each column with missing values in the train rows.

    Raises:
        ValueError: an unknown strategy.
    """

    fills_missing = True

    def __init__(
        self, *, strategy: Literal["median", "mean", "constant"] = "median", fill: float = 0.0, flag: bool = True
    ) -> None:
        if strategy not in ("median", "mean", "constant"):
            raise ValueError(f"strategy must be median, mean or constant, got {strategy!r}")
        self.strategy = strategy
        self.fill = fill
        self.flag = flag

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Take the statistic of each column. See :meth:`Step.fit`."""
        if not layout.num:
            return Fitted(None, layout)
        num = train.columns.num
        fill = self._statistic(num)
        empty = fill.isnan()
        log = [
            f"column '{name}' has no value in the train rows: filled with {self.fill:g}"
            for name, none in zip(layout.num, empty.tolist(), strict=True)
            if none
        ]
        fill = torch.where(empty, self.fill, fill)
        flagged = num.isnan().any(1).nonzero()[:, 0].tolist() if self.flag else []
        flags = layout.fresh(f"{layout.num[i]}.missing" for i in flagged)
        module = Imputed(names=layout.num, flags=flags, fill=fill[:, None], flagged=index_of(flagged))
        return Fitted(module, replace(layout, flag=layout.flag + flags), log)

    def _statistic(self, num: Tensor) -> Tensor:
        match self.strategy:
            case "median":
                return quantiles(num, num.new_tensor([0.5]))[:, 0]
            case "mean":
                return moments(num)[0]
            case _:
                return num.new_full((num.shape[0],), self.fill)


class Imputed(FittedStep):
    """Fitted :class:`Impute`.

    Args:
        names: measured columns.
        flags: added flags.
        fill: ``(F, 1)`` float64.
        flagged: ``(G,)`` int64, columns whose missing values are flagged.
    """

    fill: Tensor
    flagged: Tensor

    def __init__(self, *, names: Sequence[str], flags: Sequence[str], fill: Tensor, flagged: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.flags = tuple(flags)
        self.register_buffer("fill", fill)
        self.register_buffer("flagged", flagged)

    def forward(self, columns: Columns) -> Columns:
        """Fill, and append the flags."""
        missing = columns.num.isnan()
        num = torch.where(missing, self.fill, columns.num)
        if not self.flags:
            return columns._replace(num=num)
        flag = missing.index_select(0, self.flagged).to(torch.float32)
        return columns._replace(num=num, flag=torch.cat([columns.flag, flag]))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names, "flags": self.flags}

    def features(self) -> list[Feature]:
        """Filled columns and flags."""
        filled = [
            Feature(name, f"{name}, or {value.item():g} if missing", (name,), {"fill": value})
            for name, value in zip(self.names, self.fill[:, 0], strict=True)
        ]
        sources = [self.names[i] for i in self.flagged.tolist()]
        flags = zip(self.flags, sources, strict=True)
        return filled + [Feature(flag, f"1 if {name} is missing", (name,)) for flag, name in flags]

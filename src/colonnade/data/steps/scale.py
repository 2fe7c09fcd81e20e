"""Scale: measured columns to a common centre and spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step
from colonnade.data.steps.statistics import extremes, moments, quantiles


class Standard(Step):
    """Subtract the mean, divide by the standard deviation: ``sklearn.preprocessing.StandardScaler``.

    A column without spread is only centred. Flags and missing values stay as they are.
    """

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Take mean and deviation of each column. See :meth:`Step.fit`."""
        mean, scale = moments(train.columns.num)
        return _affine(layout, mean, torch.where(scale > 0, 1 / scale, 1.0))


class Robust(Step):
    """Subtract the median, divide by the interquartile range.

    Where the range is 0, half the distance of the extremes takes its place; a column without spread becomes 0. This is
    the first half of RealMLP's preprocessing (Holzmueller, Grinsztajn, Steinwart, "Better by default", 2024); with
    spread in every column it is ``sklearn.preprocessing.RobustScaler``.
    """

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Take the quartiles of each column. See :meth:`Step.fit`."""
        num = train.columns.num
        low, median, high = quantiles(num, num.new_tensor([0.25, 0.5, 0.75])).unbind(1)
        least, largest = extremes(num)
        spread = torch.where(high > low, high - low, (largest - least) / 2)
        return _affine(layout, median, torch.where(spread > 0, 1 / spread, 0.0))


def _affine(layout: Layout, center: Tensor, factor: Tensor) -> Fitted:
    if not layout.num:
        return Fitted(None, layout)
    # A column without any train value has no centre.
    center = center.nan_to_num(0.0)
    return Fitted(Affine(names=layout.num, center=center[:, None], factor=factor[:, None]), layout)


class Affine(FittedStep):
    """``(value - center) * factor``.

    Args:
        names: measured columns.
        center, factor: ``(F, 1)`` float64.
    """

    center: Tensor
    factor: Tensor

    def __init__(self, *, names: Sequence[str], center: Tensor, factor: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("center", center)
        self.register_buffer("factor", factor)

    def forward(self, columns: Columns) -> Columns:
        """Scale the measured columns."""
        return columns._replace(num=(columns.num - self.center) * self.factor)

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names}

    def features(self) -> list[Feature]:
        """The formula with its numbers."""
        return [
            Feature(
                name,
                f"({name} - {center.item():g}) * {factor.item():g}",
                (name,),
                {"center": center, "factor": factor},
            )
            for name, center, factor in zip(self.names, self.center[:, 0], self.factor[:, 0], strict=True)
        ]

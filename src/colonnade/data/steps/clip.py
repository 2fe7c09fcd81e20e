"""Smooth clip: outliers are pulled in, the middle is left nearly alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, exact

# Far beyond it the square would overflow; the result is the limit anyway.
_LARGEST = 2.0**60


class SmoothClip(Step):
    """``x / sqrt(1 + (x / limit)^2)``: the identity near 0, ``limit`` at most.

    The second half of RealMLP's preprocessing (Holzmueller, Grinsztajn, Steinwart, "Better by default", 2024). Comes
    after a scaling step.

    Args:
        limit: largest absolute value.

    Raises:
        ValueError: the limit is not positive.
    """

    def __init__(self, *, limit: float = 3.0) -> None:
        if not limit > 0:
            raise ValueError(f"limit must be positive, got {limit!r}")
        self.limit = limit

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Nothing is learned. See :meth:`Step.fit`."""
        return Fitted(SmoothClipped(names=layout.num, limit=exact(self.limit)) if layout.num else None, layout)


class SmoothClipped(FittedStep):
    """Fitted :class:`SmoothClip`.

    Args:
        names: measured columns.
        limit: largest absolute value, ``()`` float64.
    """

    limit: Tensor

    def __init__(self, *, names: Sequence[str], limit: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("limit", limit)

    def forward(self, columns: Columns) -> Columns:
        """Clip the measured columns."""
        x = columns.num.clamp(-_LARGEST, _LARGEST)
        return columns._replace(num=x / torch.sqrt(1 + (x / self.limit).square()))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names}

    def features(self) -> list[Feature]:
        """The formula with its limit."""
        limit = self.limit.item()
        return [Feature(name, f"{name} / sqrt(1 + ({name} / {limit:g})^2)", (name,)) for name in self.names]

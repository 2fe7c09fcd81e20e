"""Power: skewed columns are straightened by a logarithm or by Yeo and Johnson's family of powers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, positions
from colonnade.data.steps.statistics import extremes, moments

# exp of more would overflow.
_LARGEST_EXPONENT = 600.0


class Log(Step):
    """``sign(x) * log(1 + |x|)`` of measured columns.

    Args:
        columns: which; None: those whose train values have an absolute skewness above ``min_skew``.
        min_skew: see ``columns``.

    Raises:
        ValueError: ``min_skew`` below 0.
    """

    def __init__(self, *, columns: Sequence[str] | None = None, min_skew: float = 1.0) -> None:
        if not min_skew >= 0:
            raise ValueError(f"min_skew must be at least 0, got {min_skew!r}")
        self.columns = columns
        self.min_skew = min_skew

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Choose the columns. See :meth:`Step.fit`."""
        if self.columns is None:
            chosen = (_skewness(train.columns.num).abs() > self.min_skew).nonzero()[:, 0].tolist()
        else:
            chosen = positions(layout.num, self.columns, "Log")
        if not chosen:
            return Fitted(None, layout)
        names = [layout.num[i] for i in chosen]
        return Fitted(Logged(names=names, chosen=_mask(len(layout.num), chosen)), layout)


class YeoJohnson(Step):
    """Yeo and Johnson's transform, its power by maximum likelihood. Comes before a scaling step.

    Equal to ``sklearn.preprocessing.PowerTransformer(standardize=False)``. (Yeo, Johnson, "A new family of power
    transformations to improve normality or symmetry", Biometrika 87, 2000.)

    Args:
        columns: which measured columns; None: all.
        max_rows: train rows that the likelihood is taken over, as each column is searched for its power.

    Raises:
        ValueError: fewer than 10 rows.
    """

    def __init__(self, *, columns: Sequence[str] | None = None, max_rows: int = 20_000) -> None:
        if max_rows < 10:
            raise ValueError(f"max_rows must be at least 10, got {max_rows!r}")
        self.columns = columns
        self.max_rows = max_rows

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Search the power of each column; one without spread keeps its values. See :meth:`Step.fit`."""
        least, largest = extremes(train.columns.num)
        chosen = [i for i in positions(layout.num, self.columns, "YeoJohnson") if largest[i] > least[i]]
        if not chosen:
            return Fitted(None, layout)
        from sklearn.preprocessing import PowerTransformer

        power = torch.ones((len(layout.num), 1), dtype=torch.float64)
        num = train.columns.num[chosen]
        if num.shape[1] > self.max_rows:
            num = num[:, torch.randperm(num.shape[1], generator=generator)[: self.max_rows]]
        power[chosen, 0] = torch.from_numpy(PowerTransformer(standardize=False).fit(num.T.numpy()).lambdas_)
        return Fitted(Powered(names=layout.num, power=power), layout)


def _skewness(num: Tensor) -> Tensor:
    """Third standardised moment of each column ``(F,)``; 0 for a column without spread."""
    mean, scale = moments(num)
    third = (num - mean[:, None]).pow_(3).nanmean(1)
    return torch.where(scale > 0, third / scale.pow(3), 0.0)


def _mask(count: int, chosen: Sequence[int]) -> Tensor:
    mask = torch.zeros((count, 1), dtype=torch.bool)
    mask[index_of(chosen)] = True
    return mask


class Logged(FittedStep):
    """Fitted :class:`Log`.

    Args:
        names: columns it changes.
        chosen: ``(F, 1)`` bool, where they are.
    """

    chosen: Tensor

    def __init__(self, *, names: Sequence[str], chosen: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("chosen", chosen)

    def forward(self, columns: Columns) -> Columns:
        """Take the logarithm of the chosen columns."""
        x = columns.num
        return columns._replace(num=torch.where(self.chosen, torch.sign(x) * torch.log1p(x.abs()), x))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names}

    def features(self) -> list[Feature]:
        """The formula."""
        return [Feature(name, f"sign({name}) * log(1 + |{name}|)", (name,)) for name in self.names]


class Powered(FittedStep):
    """Fitted :class:`YeoJohnson`.

    Args:
        names: measured columns.
        power: ``(F, 1)`` float64; 1 is the identity.
    """

    power: Tensor

    def __init__(self, *, names: Sequence[str], power: Tensor) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("power", power)

    def forward(self, columns: Columns) -> Columns:
        """Transform: ``((1 + x)^p - 1) / p``, the logarithm for p = 0; below 0 the mirror image, with ``2 - p``."""
        x = columns.num
        power = torch.where(x < 0, 2 - self.power, self.power)
        log = torch.log1p(x.abs())
        flat = power.abs() < 1e-12
        scaled = torch.expm1((power * log).clamp(max=_LARGEST_EXPONENT)) / torch.where(flat, 1.0, power)
        return columns._replace(num=torch.sign(x) * torch.where(flat, log, scaled))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"names": self.names}

    def features(self) -> list[Feature]:
        """The power."""
        return [
            Feature(name, f"Yeo-Johnson of {name} with power {power.item():g}", (name,), {"power": power})
            for name, power in zip(self.names, self.power[:, 0], strict=True)
            if power != 1
        ]

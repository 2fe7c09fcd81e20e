"""Quantile regression: several quantiles of one or several targets."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import ValueTask, beside, full_precision, over_members
from colonnade.tasks.measures import values
from colonnade.tasks.measures.rows import Measure
from colonnade.tasks.regression import original_units

MEDIAN = 0.5


class Quantile(ValueTask):
    """Quantiles of one or several real targets, learned by the pinball loss (Koenker and Bassett, 1978).

    Quantiles of a row never cross: the decoder sorts those of each member (rearrangement, which never raises the
    pinball loss: Chernozhukov et al., 2010, arXiv:0704.3649), then averages over the members, which keeps the order.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        quantiles: increasing levels in ``(0, 1)``, with the median 0.5 among them. Each pair ``q, 1 - q`` is an
            interval, measured as ``coverage/<1 - 2 q>`` and ``width/<1 - 2 q>``.

    Raises:
        ValueError: quantiles out of range, out of order, or without the median.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.REAL

    def __init__(
        self,
        *,
        name: str = "quantile",
        monitor: str = "val/pinball_loss",
        mode: Literal["min", "max"] = "min",
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    ) -> None:
        self.quantiles = levels = increasing(quantiles)
        self._levels = torch.tensor(levels)
        measures = {
            "pinball_loss": Measure(partial(values.pinball_loss, quantiles=levels), "min"),
            "mae": Measure(values.mae, "min"),
        }
        for low, high, level in intervals(levels):
            measures[f"coverage/{level:g}"] = Measure(partial(values.coverage, low=low, high=high), None)
            measures[f"width/{level:g}"] = Measure(partial(values.width, low=low, high=high), None)
        super().__init__(name=name, monitor=monitor, mode=mode, measures=measures)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """A value for each target and quantile."""
        return (len(spec.target_names), len(self.quantiles))

    def losses(self, raw: Float[Tensor, "b m t q"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b m t q"]:
        """Pinball loss of each member, target and quantile."""
        value = full_precision(raw)
        error = target.to(value.dtype)[:, None, :, None] - value
        level = self._levels = beside(self._levels, value)
        return torch.maximum(level * error, (level - 1) * error)

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`QuantileDecoder`."""
        median = self.quantiles.index(MEDIAN)
        return QuantileDecoder(mean=spec.target_mean, scale=spec.target_scale, median=median)

    def truth(self, target: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Values in the units of the targets, float64."""
        return original_units(target, self.spec)


class QuantileDecoder(nn.Module):
    """Standardised quantiles to those in the units of the targets: sorted in each member, then averaged over members.

    Args:
        mean, scale: of each target.
        median: position of the median among the quantiles.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, mean: tuple[float, ...], scale: tuple[float, ...], median: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64)[:, None])
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64)[:, None])
        self.median = median

    def forward(self, raw: Float[Tensor, "b m t q"]) -> dict[str, Tensor]:
        """``value`` ``(B, T)``, the median, and ``quantile`` ``(B, T, Q)``, both float64."""
        ordered, _ = full_precision(raw).sort(dim=3)
        quantile = over_members(ordered.to(torch.float64)) * self.scale + self.mean
        return {"value": quantile[..., self.median], "quantile": quantile}


def increasing(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Levels of quantiles, checked.

    Raises:
        ValueError: they are out of range, out of order, or without the median.
    """
    levels = tuple(float(q) for q in quantiles)
    if MEDIAN not in levels or not all(0 < q < 1 for q in levels) or any(a >= b for a, b in pairwise(levels)):
        raise ValueError(f"quantiles={list(levels)} must increase within (0, 1) and include 0.5")
    return levels


def intervals(quantiles: Sequence[float]) -> list[tuple[int, int, float]]:
    """Central intervals among increasing levels: positions of both ends and nominal coverage, the narrowest first."""
    found = [
        (low, high, round(b - a, 6))
        for low, a in enumerate(quantiles)
        for high, b in enumerate(quantiles)
        if a < b and abs(a + b - 1) < 1e-6
    ]
    return sorted(found, key=lambda ends: ends[2])

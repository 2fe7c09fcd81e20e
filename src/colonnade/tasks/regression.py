"""Regression of one or several targets."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import ValueTask, full_precision, over_members
from colonnade.tasks.measures import values
from colonnade.tasks.measures.rows import Measure, refuse_rows

MEASURES = {
    "rmse": Measure(values.rmse, "min"),
    "mae": Measure(values.mae, "min"),
    "mse": Measure(values.mse, "min"),
    "r2": Measure(values.r2, "max"),
}


class Regression(ValueTask):
    """One or several real targets. The loss is taken in standardised units, and measures in those of the targets.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`. With several targets, ``val/rmse`` is their mean
            and ``val/rmse/<target>`` that of one.
        loss: ``mse``, ``mae``, or ``huber`` (squared near zero, absolute beyond ``huber_delta``).
        huber_delta: where the Huber loss turns, in standard deviations of the target, above 0.

    Raises:
        ValueError: an option out of its range.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.REAL

    def __init__(
        self,
        *,
        name: str = "regression",
        monitor: str = "val/rmse",
        mode: Literal["min", "max"] = "min",
        loss: str = "mse",
        huber_delta: float = 1.0,
    ) -> None:
        super().__init__(name=name, monitor=monitor, mode=mode, measures=MEASURES)
        if loss not in ("mse", "mae", "huber"):
            raise ValueError(f"loss='{loss}' must be mse, mae or huber")
        if not huber_delta > 0:
            raise ValueError(f"huber_delta={huber_delta} must be above 0")
        self.loss = loss
        self.huber_delta = huber_delta

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """A value for each target."""
        return (len(spec.target_names),)

    def losses(self, raw: Float[Tensor, "b m t"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b m t"]:
        """Loss of each member and target."""
        value = full_precision(raw)
        expected = target.to(value.dtype)[:, None].expand_as(value)
        match self.loss:
            case "mse":
                return F.mse_loss(value, expected, reduction="none")
            case "mae":
                return F.l1_loss(value, expected, reduction="none")
            case _:
                return F.huber_loss(value, expected, reduction="none", delta=self.huber_delta)

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`RegressionDecoder`."""
        return RegressionDecoder(mean=spec.target_mean, scale=spec.target_scale)

    def truth(self, target: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Values in the units of the targets, float64."""
        return original_units(target, self.spec)


class RegressionDecoder(nn.Module):
    """Standardised values to values in the units of the targets, averaged over the members.

    Args:
        mean, scale: of each target.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, mean: tuple[float, ...], scale: tuple[float, ...]) -> None:
        super().__init__()
        # In float64, since the mean may be many times the scale.
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

    def forward(self, raw: Float[Tensor, "b m t"]) -> dict[str, Tensor]:
        """``value`` ``(B, T)`` float64."""
        return {"value": over_members(raw.to(torch.float64)) * self.scale + self.mean}


def original_units(target: Float[Tensor, "n t"], spec: BatchSpec) -> Float[Tensor, "n t"]:
    """Standardised targets in their own units, float64.

    Raises:
        DataError: a value is not finite.
    """
    bad = target.isinf() if spec.gaps else ~target.isfinite()
    refuse_rows(bad, DataError, f"target ({', '.join(spec.target_names)}) is NaN or infinite")
    mean = torch.tensor(spec.target_mean, dtype=torch.float64, device=target.device)
    scale = torch.tensor(spec.target_scale, dtype=torch.float64, device=target.device)
    return target.to(torch.float64) * scale + mean

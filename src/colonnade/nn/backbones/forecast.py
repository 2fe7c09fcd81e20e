"""The contract of a backbone that forecasts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from colonnade.nn.backbones.sequence import SequenceBackbone


@dataclass(frozen=True)
class Window:
    """What a forecast looks at, and what it is of.

    Args:
        context: steps that are looked back at.
        horizon: steps that are forecast.
        channels: positions among the embedded numbers of what is forecast.
    """

    context: int
    horizon: int
    channels: tuple[int, ...]

    @property
    def d_out(self) -> int:
        """Values of a forecast."""
        return self.horizon * len(self.channels)

    def past(self, x: Tensor) -> Tensor:
        """What the forecast channels were, ``(B, C, context)``."""
        return x[..., list(self.channels)].transpose(1, 2)

    def flat(self, forecast: Tensor) -> Tensor:
        """``(B, C, horizon)`` as the representation of one member, ``(B, 1, horizon * C)``: step by step."""
        return forecast.transpose(1, 2).flatten(1).unsqueeze(1)


class ForecastBackbone(SequenceBackbone):
    """A backbone that belongs into a :class:`~colonnade.nn.forecast.ForecastNetwork`.

    A concrete one takes ``window`` (:class:`Window`) beside ``layout`` and gives ``window.d_out`` values. All of the
    context is valid: there is no mask.
    """

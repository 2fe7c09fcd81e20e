"""The contract of a backbone that forecasts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from colonnade.nn.backbones.sequence import SequenceBackbone


@dataclass(frozen=True)
class Window:
    """What a forecast looks at, and what it is of.

    A task may ask for several numbers of a step, such as quantiles. To a backbone these are more steps: all steps of
    the first number, then all of the second, ...

    Args:
        context: steps that are looked back at.
        horizon: numbers that are forecast of each channel: the steps ahead, as often as a step has numbers.
        channels: positions among the embedded numbers of what is forecast.
        roles: what each number of a step is, see :attr:`colonnade.tasks.base.Task.roles`; empty: all are levels.
        steps: steps ahead, for each of which there are ``horizon // steps`` numbers; None: ``horizon``.
        known: positions in an embedded step of what is known ahead.
        static: positions in an embedded step of what is the same in all steps of a series.
    """

    context: int
    horizon: int
    channels: tuple[int, ...]
    roles: tuple[str, ...] = ()
    steps: int | None = None
    known: tuple[int, ...] = ()
    static: tuple[int, ...] = ()

    @property
    def n_steps(self) -> int:
        """Steps ahead."""
        return self.horizon if self.steps is None else self.steps

    @property
    def n_numbers(self) -> int:
        """Numbers of a step ahead."""
        return self.horizon // self.n_steps

    @property
    def levels(self) -> int:
        """Those of the ``horizon`` numbers that are levels; they stand before the others."""
        return self.horizon * self.roles.count("level") // len(self.roles) if self.roles else self.horizon

    @property
    def d_out(self) -> int:
        """Values of a forecast."""
        return self.horizon * len(self.channels)

    def past(self, x: Tensor) -> Tensor:
        """What the forecast channels were, ``(B, C, context)``."""
        if self.channels == tuple(range(x.shape[-1])):
            return x.transpose(1, 2)
        return x[..., list(self.channels)].transpose(1, 2)

    def placed(self, ahead: Tensor, location: Tensor, scale: Tensor | None = None) -> Tensor:
        """A forecast of normalised steps, brought back to where the steps were.

        Args:
            ahead: ``(B, C, horizon)``.
            location: what was taken off each channel, ``(B, C, 1)``.
            scale: what it was divided by then, ``(B, C, 1)``, above 0; None: by nothing.

        Returns:
            ``(B, C, horizon)``: of levels ``ahead * scale + location``, of a ``log_scale`` ``ahead + log(scale)``; what
            is ``free`` as it is.
        """
        if all(role == "level" for role in self.roles):
            return (ahead if scale is None else ahead * scale) + location
        parts = []
        for role, part in zip(self.roles, ahead.chunk(len(self.roles), dim=-1)):
            if role == "level":
                part = (part if scale is None else part * scale) + location
            elif role == "log_scale" and scale is not None:
                part = part + scale.log()
            parts.append(part)
        return torch.cat(parts, dim=-1)

    def flat(self, forecast: Tensor) -> Tensor:
        """``(B, C, horizon)`` as the representation of one member, ``(B, 1, horizon * C)``: step by step."""
        return forecast.transpose(1, 2).flatten(1).unsqueeze(1)


class ForecastBackbone(SequenceBackbone):
    """A backbone that belongs into a :class:`~colonnade.nn.forecast.ForecastNetwork`.

    A concrete one takes ``window`` (:class:`Window`) beside ``layout`` and gives ``window.d_out`` values. All of the
    context is valid: there is no mask.
    """


class SeesAhead(ForecastBackbone):
    """A backbone that looks at what is known of the steps ahead (``data.future``)."""

    @abstractmethod
    def forward(
        self, x: Tensor, mask: Tensor | None = None, future: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Forecast.

        Args:
            x: embedded steps that are looked back at, ``(B, context, layout.d_flat)``.
            mask: None.
            future: what is known of the steps ahead, ``(B, steps, len(window.known))``; None: nothing.

        Returns:
            See :class:`~colonnade.nn.backbones.sequence.SequenceBackbone`.
        """

"""ForecastNetwork: a network that forecasts the next steps of some channels of a series."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.output import Output
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.head import Given
from colonnade.nn.layout import Layout
from colonnade.nn.sequence import SequenceNetwork

SMALLEST = 1e-6


class Ahead(Given):
    """No head: the representation is the forecast already, which is brought into the order of the targets.

    Args:
        d_in, n_members, out_shape: see :class:`~colonnade.nn.head.Given`.

    Raises:
        ConfigError: see there.
    """

    def forward(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b m *out"]:
        """``(B, members, Q * T)``, all targets of the first of ``Q`` numbers first, to ``(B, members, T, Q)``; of a
        single number ``(B, members, T)``."""
        if len(self.out_shape) == 1:
            return x
        return x.unflatten(-1, (self.out_shape[1], self.out_shape[0])).transpose(-1, -2)


class ForecastNetwork(SequenceNetwork):
    """A :class:`~colonnade.nn.sequence.SequenceNetwork` whose backbone knows what is forecast, and gives it.

    Any backbone of sequences can forecast in a ``SequenceNetwork``, by a linear head over its representation; one that
    belongs here is a :class:`~colonnade.nn.backbones.forecast.ForecastBackbone`.

    Args:
        spec: of the data, with ``horizon`` and ``out_shape``.
        backbone: called with ``layout`` and ``window``.
        numerical: called with ``spec``; numbers must stay as they are, since what is forecast is one of them.
        categorical: called with ``spec``.
        head: see :class:`~colonnade.nn.network.Network`.
        scaling: ``"window"``: what is forecast is brought to mean 0 and deviation 1 over its own window before the
            backbone, and back behind it, and the loss is taken in these units: series of all sizes weigh the same,
            those that training did not see too. None: values are in standard deviations of all train steps.

    Raises:
        ValueError: ``scaling`` is neither.
        ConfigError: ``data`` has no horizon, numbers are embedded, or ``scaling`` is asked for where the task wants a
            distribution; see :class:`~colonnade.nn.network.Network` too.
    """

    of_values: Tensor

    def __init__(
        self,
        *,
        spec: BatchSpec,
        backbone: Callable[..., ForecastBackbone],
        numerical: Callable[..., Embedding] = Identity,
        categorical: Callable[..., Embedding] = OneHot,
        head: Callable[..., nn.Module] = Ahead,
        scaling: str | None = None,
    ) -> None:
        if scaling not in (None, "window"):
            raise ValueError(f"scaling={scaling!r}: window or null")
        self._check_rank(spec)
        if spec.horizon is None or spec.n_steps is None:
            raise ConfigError(
                "model.backbone forecasts, and `data` says not how far: set data.horizon and data.context, or choose a "
                "model that learns from whole series, such as model=gru"
            )
        d_out = spec.horizon * len(spec.channels)
        if scaling is not None and spec.roles:
            raise ConfigError(
                f"model.scaling={scaling} scales values and quantiles, and the task asks for a distribution "
                f"({', '.join(spec.roles)}): model.scaling=null, or task=forecast_quantile"
            )
        numbers = max(1, math.prod(spec.out_shape) // d_out)
        window = Window(
            context=spec.n_steps,
            horizon=spec.horizon * numbers,
            channels=spec.channels,
            roles=spec.roles,
            steps=spec.horizon,
        )

        def placed(*, layout: Layout) -> ForecastBackbone:
            nonlocal window
            window = replace(window, known=layout.places(spec.known), static=layout.places(spec.static))
            return backbone(layout=layout, window=window)

        super().__init__(
            spec=spec,
            backbone=placed,
            numerical=numerical,
            categorical=categorical,
            head=head,
        )
        if self.layout.embeds_numbers:
            raise ConfigError(
                "model.numerical: a forecast is of numbers as they are: colonnade.nn.embed.identity.Identity"
            )
        self.window = window
        self.horizon = spec.horizon
        self.channels = list(window.channels)
        self.scaled = scaling is not None
        is_value = torch.zeros(spec.n_num, dtype=torch.bool)
        is_value[self.channels] = True
        self.register_buffer("of_values", is_value, persistent=False)

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Output:
        """See the base class; where columns are known ahead, ``embedded`` is ``(B, context + steps, d_flat)``, and of
        its last steps nothing else is looked at.
        """
        if not self.window.known:
            return super().forward_embedded(embedded, mask)
        past, ahead = embedded[:, : self.window.context], embedded[:, self.window.context :]
        hidden, penalty = self.backbone(past, None, ahead[..., list(self.window.known)])
        return Output(raw=self.head(hidden), penalty=penalty)

    def forward(self, batch: Batch) -> Output:
        """Raw outputs ``(B, members, *out_shape)`` of a batch of windows."""
        if not self.scaled:
            return super().forward(batch)
        past = batch.num[:, : self.window.context]
        level = past.mean(1, keepdim=True)
        spread = past.std(1, keepdim=True, correction=0)
        # Rounding is no spread: a window that does not change is left in the units of all.
        spread = torch.where(self.of_values & (spread > SMALLEST * (1 + level.abs())), spread, 1.0)
        level = torch.where(self.of_values, level, 0.0)
        found = super().forward(replace(batch, num=(batch.num - level) / spread))
        level, unit = (of[:, 0, self.channels].repeat(1, self.horizon) for of in (level, spread))
        # Of one number of a step, or of several quantiles.
        beside = (unit.shape[0], 1, -1, *[1] * (found.raw.dim() - 3))
        return replace(found, raw=found.raw * unit.reshape(beside) + level.reshape(beside), unit=unit)

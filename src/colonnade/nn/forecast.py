"""ForecastNetwork: a network that forecasts the next steps of some channels of a series."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.head import Given
from colonnade.nn.sequence import SequenceNetwork


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

    Raises:
        ConfigError: ``data`` has no horizon, or numbers are embedded; see :class:`~colonnade.nn.network.Network` too.
    """

    def __init__(
        self,
        *,
        spec: BatchSpec,
        backbone: Callable[..., ForecastBackbone],
        numerical: Callable[..., Embedding] = Identity,
        categorical: Callable[..., Embedding] = OneHot,
        head: Callable[..., nn.Module] = Ahead,
    ) -> None:
        self._check_rank(spec)
        if spec.horizon is None or spec.n_steps is None:
            raise ConfigError(
                "model.backbone forecasts, and `data` says not how far: set data.horizon and data.context, or choose a "
                "model that learns from whole series, such as model=gru"
            )
        numbers = max(1, math.prod(spec.out_shape) // (spec.horizon * len(spec.channels)))
        window = Window(context=spec.n_steps, horizon=spec.horizon * numbers, channels=spec.channels, roles=spec.roles)
        super().__init__(
            spec=spec,
            backbone=partial(backbone, window=window),
            numerical=numerical,
            categorical=categorical,
            head=head,
        )
        if self.layout.embeds_numbers:
            raise ConfigError(
                "model.numerical: a forecast is of numbers as they are: colonnade.nn.embed.identity.Identity"
            )

"""Distribution forecasts: a distribution of each of the next steps."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.errors import ConfigError, closest
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import beside, full_precision
from colonnade.tasks.distributions import DISTRIBUTIONS, Distribution
from colonnade.tasks.forecast import ForecastTask, of_quantiles
from colonnade.tasks.quantile import increasing
from colonnade.tasks.regression import original_units


class ForecastDistribution(ForecastTask):
    """A distribution of the values of ``data.target`` at each of the next ``data.horizon`` steps, learned by its
    likelihood. Steps are taken as independent of each other. (DeepAR has the same distributions: Salinas et al., 2020.)

    The prediction is the mean, beside quantiles. With several members, such as those of an ensemble, each quantile is
    the mean of theirs.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        distribution: ``gaussian``, ``student_t`` (of heavier tails), or ``negative_binomial`` (counts; see
            :mod:`colonnade.tasks.distributions`).
        quantiles: increasing levels in ``(0, 1)``, with the median 0.5 among them.

    Raises:
        ValueError: an unknown distribution, or quantiles out of range, out of order, or without the median.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.REAL

    def __init__(
        self,
        *,
        name: str = "forecast_distribution",
        monitor: str = "val/pinball_loss",
        mode: Literal["min", "max"] = "min",
        distribution: str = "gaussian",
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    ) -> None:
        if distribution not in DISTRIBUTIONS:
            known = f"{', '.join(DISTRIBUTIONS)}{closest(distribution, DISTRIBUTIONS)}"
            raise ValueError(f"distribution={distribution} must be one of {known}")
        self.quantiles = increasing(quantiles)
        self.distribution = DISTRIBUTIONS[distribution]()
        self.roles = self.distribution.roles
        self._units = torch.empty(2, 0)
        super().__init__(name=name, monitor=monitor, mode=mode, measures=of_quantiles(self.quantiles))

    def setup(self, spec: BatchSpec) -> None:
        """See the base class.

        Raises:
            ConfigError: a distribution of counts, and not all steps are some.
        """
        super().setup(spec)
        if self.distribution.counts and not spec.counts:
            raise ConfigError(
                f"task.distribution=negative_binomial is one of counts, 0, 1, 2, ..., which not all steps of "
                f"{', '.join(self.values)} are: task.distribution=gaussian or student_t"
            )
        self._units = torch.tensor([spec.target_mean, spec.target_scale], dtype=torch.float64)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """The parameters of each target."""
        return (len(spec.target_names), len(self.roles))

    def losses(self, raw: Float[Tensor, "b m t p"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b m t"]:
        """Negative log-likelihood of each member and target: of standardised values, or of counts."""
        value = full_precision(raw)
        # Kept in float64, in which large counts are themselves again.
        mean, scale = self._units = beside(self._units, value.new_empty(0, dtype=torch.float64))
        expected = target.to(value.dtype)[:, None].expand(value.shape[:-1])
        return self.distribution.nll(value, expected, mean, scale)

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`DistributionDecoder`."""
        return DistributionDecoder(
            mean=spec.target_mean, scale=spec.target_scale, distribution=self.distribution, quantiles=self.quantiles
        )

    def truth(self, target: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Values in the units of the targets, float64."""
        return original_units(target, self.spec)


class DistributionDecoder(nn.Module):
    """Parameters to mean and quantiles in the units of the targets, averaged over the members.

    Args:
        mean, scale: of each target.
        distribution: of each target.
        quantiles: levels.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        mean: tuple[float, ...],
        scale: tuple[float, ...],
        distribution: Distribution,
        quantiles: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.distribution = distribution
        self.quantiles = quantiles

    def check_graph(self) -> None:
        """Refuse to be exported where quantiles have no formula.

        Raises:
            ConfigError: naming the distributions that have one.
        """
        if not self.distribution.graph:
            name = next(name for name, kind in DISTRIBUTIONS.items() if isinstance(self.distribution, kind))
            others = " and ".join(name for name, kind in DISTRIBUTIONS.items() if kind.graph)
            raise ConfigError(
                f"task.distribution={name}: quantiles of counts are searched for, and have no graph to export; "
                f"{others} have one"
            )

    def forward(self, raw: Float[Tensor, "b m t p"]) -> dict[str, Tensor]:
        """``value`` ``(B, T)``, the mean, and ``quantile`` ``(B, T, Q)``, both float64."""
        raw = raw.to(torch.float64)
        value = self.distribution.mean(raw, self.mean, self.scale)
        quantile = self.distribution.quantiles(raw, self.mean, self.scale, self.quantiles)
        return {"value": value.mean(1), "quantile": quantile.mean(1)}

"""Distributions of a forecast value: raw outputs to negative log-likelihood, mean and quantiles."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Logarithms of deviations are kept between these, in z-units: a ten-thousandth, and ten thousand.
LEAST, MOST = -9.0, 9.0
# Of the polynomials in 1 / df that give the quantiles of Student's t: they are exact to some 1e-7.
DEGREE = 18


class Distribution(ABC):
    """Raw outputs ``(..., P)`` of a value as a distribution.

    Values are standardised as ``z = (y - mean) / scale``; ``mean`` and ``scale`` are those of the train steps.
    """

    roles: ClassVar[tuple[str, ...]]
    """Of the ``P`` outputs, see :attr:`colonnade.tasks.base.Task.roles`."""
    counts: ClassVar[bool] = False
    """Whether it is of 0, 1, 2, ... alone."""
    graph: ClassVar[bool] = True
    """Whether its quantiles have a formula, which can be exported."""

    @abstractmethod
    def nll(
        self, raw: Float[Tensor, "*b p"], z: Float[Tensor, "*b"], mean: Float[Tensor, "t"], scale: Float[Tensor, "t"]
    ) -> Float[Tensor, "*b"]:
        """Negative log-likelihood in nats: density of the standardised value, or probability of a count."""

    @abstractmethod
    def mean(
        self, raw: Float[Tensor, "*b p"], mean: Float[Tensor, "t"], scale: Float[Tensor, "t"]
    ) -> Float[Tensor, "*b"]:
        """Expected value, in the units of the data."""

    @abstractmethod
    def quantiles(
        self,
        raw: Float[Tensor, "*b p"],
        mean: Float[Tensor, "t"],
        scale: Float[Tensor, "t"],
        levels: tuple[float, ...],
    ) -> Float[Tensor, "*b q"]:
        """Quantiles of increasing levels, in the units of the data."""


class Gaussian(Distribution):
    """``N(raw[0], exp(raw[1])^2)`` of the standardised value."""

    roles = ("level", "log_scale")

    def nll(self, raw: Tensor, z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class."""
        log_scale = raw[..., 1].clamp(LEAST, MOST)
        distance = (z - raw[..., 0]) * (-log_scale).exp()
        return 0.5 * distance.square() + log_scale + 0.5 * np.log(2 * np.pi)

    def mean(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class."""
        return raw[..., 0] * scale + mean

    def quantiles(self, raw: Tensor, mean: Tensor, scale: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; in closed form."""
        from scipy.special import ndtri

        normal = torch.from_numpy(ndtri(np.asarray(levels))).to(raw)
        at = raw[..., :1] + raw[..., 1:].clamp(LEAST, MOST).exp() * normal
        return at * scale[:, None] + mean[:, None]


class StudentT(Distribution):
    """Student's t of ``2 + softplus(raw[2])`` degrees of freedom, so that it has a variance, at ``raw[0]``, stretched
    by ``exp(raw[1])``."""

    roles = ("level", "log_scale", "free")

    def nll(self, raw: Tensor, z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class."""
        log_scale, df = raw[..., 1].clamp(LEAST, MOST), 2 + F.softplus(raw[..., 2])
        distance = (z - raw[..., 0]) * (-log_scale).exp()
        constant = torch.lgamma(df / 2) - torch.lgamma((df + 1) / 2) + 0.5 * (df * np.pi).log()
        return constant + log_scale + (df + 1) / 2 * torch.log1p(distance.square() / df)

    def mean(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class."""
        return raw[..., 0] * scale + mean

    def quantiles(self, raw: Tensor, mean: Tensor, scale: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; by polynomials in ``1 / df``, in which quantiles are smooth up to the normal ones."""
        u = 4 / (2 + _softplus(raw[..., 2:])) - 1
        standard = torch.zeros_like(u)
        # Horner's rule for a sum of Chebyshev polynomials (Clenshaw).
        above = torch.zeros_like(u)
        first, *rest = torch.from_numpy(_t_quantiles(levels)).to(raw)
        for coefficient in reversed(rest):
            standard, above = coefficient + 2 * u * standard - above, standard
        standard = first + u * standard - above
        at = raw[..., :1] + raw[..., 1:2].clamp(LEAST, MOST).exp() * standard
        return at * scale[:, None] + mean[:, None]


class NegativeBinomial(Distribution):
    """Counts of the mean ``m = scale * softplus(raw[0] + mean / scale)`` and the variance ``m + exp(raw[1]) m^2``."""

    roles = ("level", "free")
    counts = True
    graph = False

    def nll(self, raw: Tensor, z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class; in float64, since logarithms of large factorials are taken off each other."""
        m, r = self._moments(raw.double(), mean, scale)
        k = (z.double() * scale + mean).round()
        chosen = torch.lgamma(k + 1) + torch.lgamma(r) - torch.lgamma(k + r)
        return (chosen + r * torch.log1p(m / r) + k * torch.log1p(r / m)).to(raw.dtype)

    def mean(self, raw: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """See the base class."""
        return self._moments(raw, mean, scale)[0]

    def quantiles(self, raw: Tensor, mean: Tensor, scale: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; by SciPy."""
        from scipy.stats import nbinom

        m, r = (t.detach().cpu().numpy()[..., None] for t in self._moments(raw, mean, scale))
        return torch.from_numpy(nbinom.ppf(np.asarray(levels), r, r / (r + m))).to(raw)

    @staticmethod
    def _moments(raw: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Mean, and the inverse of the dispersion."""
        least = torch.finfo(torch.float32).eps
        m = (F.softplus(raw[..., 0] + mean / scale) * scale).clamp_min(least)
        return m, (-raw[..., 1].clamp(LEAST, MOST)).exp()


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}


def _softplus(x: Tensor) -> Tensor:
    """That of torch, in operations that an exported graph has in float64 too."""
    return x.clamp_min(0) + (-x.abs()).exp().log1p()


def _t_quantiles(levels: tuple[float, ...]) -> np.ndarray:
    """Chebyshev coefficients ``(DEGREE + 1, Q)`` of the quantiles of Student's t over ``4 / df - 1``, which is in -1 to
    1 where ``df`` is 2 or more."""
    from numpy.polynomial.chebyshev import chebinterpolate
    from scipy.special import stdtrit

    def of_level(level: float) -> Callable[[np.ndarray], Any]:
        return lambda u: stdtrit(4 / (u + 1), level)

    return np.stack([chebinterpolate(of_level(level), DEGREE) for level in levels], axis=1)

"""Distributions of the time to the next event: raw outputs to negative log-likelihood and quantiles.

Times are in units of the mean train time: ``u = time / scale``.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.core.errors import closest

# Added to every time before its logarithm: a thousandth of the mean, so that events of one instant have one.
LEAST_TIME = 1e-3
# Logarithms are kept between these.
LEAST, MOST = -9.0, 9.0
# The logarithm of the smallest deviation of a component, a twentieth: were it free, the likelihood of events that share
# an instant would grow without end.
NARROWEST = -3.0
# Halvings of the interval in which a quantile of a mixture lies: its logarithm is known to some 1e-8.
HALVINGS = 32


class TimeDistribution(ABC):
    """Raw outputs ``(..., P)`` as a distribution of times from 0 on."""

    n_outputs: int
    """``P``."""

    @abstractmethod
    def nll(self, raw: Float[Tensor, "*b p"], u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Negative logarithm of the density of ``u``, in nats."""

    @abstractmethod
    def quantiles(self, raw: Float[Tensor, "*b p"], levels: tuple[float, ...]) -> Float[Tensor, "*b q"]:
        """Quantiles of ``u``, of increasing levels."""


class LogNormal(TimeDistribution):
    """``log(u + LEAST_TIME)`` is normal, of the mean ``raw[0]`` and the deviation ``exp(raw[1])`` (the log-normal of
    Shchur, Bilos and Guennemann, "Intensity-free learning of temporal point processes", ICLR 2020, with one component).
    """

    n_outputs = 2

    def nll(self, raw: Tensor, u: Tensor) -> Tensor:
        """See the base class."""
        log_scale, at = raw[..., 1].clamp(LEAST, MOST), (u + LEAST_TIME).log()
        distance = (at - raw[..., 0]) * (-log_scale).exp()
        return 0.5 * distance.square() + log_scale + at + 0.5 * np.log(2 * np.pi)

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; in closed form."""
        from scipy.special import ndtri

        normal = torch.from_numpy(ndtri(np.asarray(levels))).to(raw)
        at = raw[..., :1] + raw[..., 1:].clamp(LEAST, MOST).exp() * normal
        # Of the highest levels of a wide one, more than a number can hold.
        return (at.clamp(max=80.0).exp() - LEAST_TIME).clamp_min(0.0)


class LogNormalMixture(TimeDistribution):
    """``log(u + LEAST_TIME)`` is one of several normals (Shchur, Bilos and Guennemann, 2020, who take 64): of each
    component ``raw`` has the logit of its weight, then the means of all, then the logarithms of their deviations, of
    which none is below ``NARROWEST``.

    Args:
        components: how many, from 2.
    """

    def __init__(self, components: int) -> None:
        self.n_outputs = 3 * components
        self.components = components

    def nll(self, raw: Tensor, u: Tensor) -> Tensor:
        """See the base class."""
        logit, mean, log_scale = self._parts(raw)
        at = (u + LEAST_TIME).log()
        distance = (at[..., None] - mean) * (-log_scale).exp()
        of_component = logit.log_softmax(-1) - 0.5 * distance.square() - log_scale
        return at + 0.5 * np.log(2 * np.pi) - of_component.logsumexp(-1)

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; by halving the interval between the least and the largest quantile of the components, in
        which that of the mixture lies."""
        from scipy.special import ndtri

        logit, mean, log_scale = (part.unsqueeze(-2) for part in self._parts(raw))
        weight, narrow = logit.softmax(-1), (-log_scale).exp()
        normal = torch.from_numpy(ndtri(np.asarray(levels))).to(raw)
        ends = mean + log_scale.exp() * normal[:, None]
        low, high = ends.amin(-1), ends.amax(-1)
        wanted = torch.from_numpy(np.asarray(levels)).to(raw)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = (weight * _normal_cdf((middle[..., None] - mean) * narrow)).sum(-1) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (high.clamp(max=80.0).exp() - LEAST_TIME).clamp_min(0.0)

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, means, and logarithms of deviations, ``(..., K)`` each."""
        logit, mean, log_scale = raw.unflatten(-1, (3, self.components)).unbind(-2)
        return logit, mean, log_scale.clamp(NARROWEST, MOST)


class Exponential(TimeDistribution):
    """Exponential of the rate ``exp(raw[0])``: events come as likely at any time (a marked Poisson process whose rate
    follows from the history, as between the events of Du et al., "Recurrent marked temporal point processes", KDD 2016,
    without the trend)."""

    n_outputs = 1

    def nll(self, raw: Tensor, u: Tensor) -> Tensor:
        """See the base class."""
        log_rate = raw[..., 0].clamp(LEAST, MOST)
        return log_rate.exp() * u - log_rate

    def quantiles(self, raw: Tensor, levels: tuple[float, ...]) -> Tensor:
        """See the base class; in closed form."""
        standard = torch.from_numpy(-np.log1p(-np.asarray(levels))).to(raw)
        return (-raw.clamp(LEAST, MOST)).exp() * standard


TIMES: dict[str, type[TimeDistribution]] = {"log_normal": LogNormal, "exponential": Exponential}


def distribution_of(time: str, components: int) -> TimeDistribution:
    """The distribution of a name.

    Args:
        time: one of ``TIMES``.
        components: of a log-normal, from 1.

    Raises:
        ValueError: there is no such distribution, or it has no such number of components.
    """
    if time not in TIMES:
        raise ValueError(f"time={time} must be one of {', '.join(TIMES)}{closest(time, TIMES)}")
    if components < 1 or (components > 1 and time != "log_normal"):
        raise ValueError(f"components={components} must be 1, or more with time=log_normal")
    return TIMES[time]() if components == 1 else LogNormalMixture(components)


def _normal_cdf(x: Tensor) -> Tensor:
    """In float32, the only one of which runtimes of graphs have the error function."""
    return (0.5 + 0.5 * (x.to(torch.float32) * 0.5**0.5).erf()).to(x.dtype)

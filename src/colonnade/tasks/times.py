"""Distributions of the time to the next event: raw outputs to negative log-likelihood and quantiles.

Times are in units of the mean train time: ``u = time / scale``.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# Added to every time before its logarithm: a thousandth of the mean, so that events of one instant have one.
LEAST_TIME = 1e-3
# Logarithms are kept between these.
LEAST, MOST = -9.0, 9.0


class TimeDistribution(ABC):
    """Raw outputs ``(..., P)`` as a distribution of times from 0 on."""

    n_outputs: ClassVar[int]
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

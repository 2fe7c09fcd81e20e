"""Learning-rate schedules: pure functions of the progress of a training, giving a factor of the base rate."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Always 1."""
    return 1.0


def cosine(progress: float, *, final: float = 0.0) -> float:
    """Half a cosine from 1 to ``final`` (Loshchilov and Hutter, "SGDR", 2017), without restarts.

    >>> [round(cosine(t), 3) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def one_cycle(progress: float, *, rise: float = 0.3, start: float = 1 / 25, final: float = 1 / 250_000) -> float:
    """Cosine from ``start`` up to 1 at ``rise``, then down to ``final`` (Smith and Topin, "Super-convergence", 2018).

    >>> one_cycle(0.3)
    1.0
    """
    if progress < rise:
        return start + (1.0 - start) * 0.5 * (1.0 - math.cos(math.pi * progress / rise))
    return cosine((progress - rise) / (1.0 - rise), final=final)


def coslog4(progress: float) -> float:
    """Four cosine cycles of doubling length, each from 0 up to 1 and down again (Holzmüller et al., RealMLP, 2024).

    >>> round(coslog4(1 / 15), 6)
    0.0
    """
    return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * progress)))


def cycles(progress: float, *, cycles: int) -> float:
    """Half cosines from 1 to 0, one after the other (Huang et al., "Snapshot ensembles", ICLR 2017).

    >>> [round(cycles(t, cycles=2), 3) for t in (0.0, 0.25, 0.5, 0.75)]
    [1.0, 0.5, 1.0, 0.5]
    """
    return cosine(progress * cycles % 1.0)


def step(progress: float, *, drops: float, gamma: float = 0.1) -> float:
    """Times ``gamma`` at each of ``drops`` equal parts of the training.

    >>> step(0.7, drops=2)
    0.1
    """
    # The margin keeps a drop on its epoch although progress is a rounded quotient.
    return float(gamma ** math.floor(progress * drops + 1e-9))


def warmup(index: int, steps: int) -> float:
    """Linear rise over the first ``steps`` optimizer steps; 1 afterwards.

    >>> [warmup(i, 4) for i in (0, 1, 3, 9)]
    [0.25, 0.5, 1.0, 1.0]
    """
    return min(1.0, (index + 1) / steps) if steps > 0 else 1.0

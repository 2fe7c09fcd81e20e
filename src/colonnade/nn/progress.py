"""Progress: modules that change as the training goes on, and by which course."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch import nn


class Progressive(nn.Module, ABC):
    """A module that is told before each optimizer step how far the training is."""

    @abstractmethod
    def at(self, progress: float) -> None:
        """Become what it is at ``progress``: 0 at the beginning of the training, 1 at its end."""


def flat_cos(progress: float) -> float:
    """1 for the first half, then half a cosine down to 0 (Holzmüller et al., RealMLP, 2024).

    >>> [round(flat_cos(t), 3) for t in (0.0, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.5, 0.0]
    """
    return 1.0 if progress < 0.5 else 0.5 * (1.0 - math.cos(2.0 * math.pi * progress))

"""OverTime: contributions of the steps of series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP, SHARE, BEFORE = "step", "share of the series", "steps before the forecast"
BINS = 50
"""Parts of the time in which series of several lengths are laid over each other."""


@dataclass(frozen=True)
class OverTime:
    """Contributions of the steps of series.

    Args:
        values: ``(N, T, columns)``, zero in the padding.
        lengths: ``(N,)`` steps of each.
        forecast: whether it is a forecast that they contribute to.
        ahead: of a forecast, the last steps, which it is of; it begins before them.
    """

    values: np.ndarray
    lengths: np.ndarray
    forecast: bool
    ahead: int = 0

    @property
    def axis(self) -> str:
        """What :meth:`positions` are: steps, or shares of the length where that differs."""
        if self.forecast:
            return BEFORE
        return STEP if len(np.unique(self.lengths)) == 1 else SHARE

    @property
    def positions(self) -> np.ndarray:
        """``(bins,)`` positions of what :attr:`magnitude` has: first step 0, shares in the middle of each part."""
        n = self.magnitude.shape[0]
        if self.axis == SHARE:
            return (np.arange(n) + 0.5) / n
        return np.arange(n) - (n - self.ahead if self.forecast else 0)

    @property
    def magnitude(self) -> np.ndarray:
        """``(bins, columns)`` mean magnitude of the contributions at each step.

        Where lengths differ, series are stretched to the same number of parts, and contributions to the smaller or
        larger time that a part takes of each.
        """
        size = np.abs(self.values)
        if self.axis != SHARE:
            mean: np.ndarray = size.mean(0)
            return mean
        middle = (np.arange(BINS) + 0.5) / BINS
        step = (middle * self.lengths[:, None]).astype(np.int64)
        stretched = np.take_along_axis(size, step[:, :, None], axis=1) * (self.lengths / BINS)[:, None, None]
        shared: np.ndarray = stretched.mean(0)
        return shared

    def of(self, row: int) -> np.ndarray:
        """``(length, columns)`` contributions of one series."""
        return self.values[row, : self.lengths[row]]

"""Statistics of columns with missing values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from colonnade.data.blocks import each_block

# Values looked at by a thread at once.
_BLOCK = 100_000


def quantiles(num: Tensor, levels: Tensor) -> Tensor:
    """Quantiles by linear interpolation, NaN left out.

    Args:
        num: ``(F, N)`` float64.
        levels: ``(Q,)`` float64 in [0, 1].

    Returns:
        ``(F, Q)`` float64, equal to ``numpy.nanquantile``; NaN for a column without values.
    """
    found = num.new_full((num.shape[0], len(levels)), torch.nan)

    def find(start: int, stop: int) -> None:
        for column, result in zip(num[start:stop], found[start:stop], strict=True):
            # numpy sorts float64 some five times faster than torch, and puts NaN last.
            values = np.sort(column.numpy())
            present = torch.from_numpy(values[: np.searchsorted(values, np.nan)])
            if len(present):
                result.copy_(_at(present, levels))

    each_block(find, len(num), _columns(num))
    return found


def _at(values: Tensor, levels: Tensor) -> Tensor:
    place = levels * (len(values) - 1)
    # Without it a quantile that is one of the values would miss it by rounding, and equal ones would differ.
    place = torch.where((place - place.round()).abs() < 1e-9, place.round(), place)
    below = place.floor().long()
    above = (below + 1).clamp(max=len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def moments(num: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation of each column, NaN left out.

    Args:
        num: ``(F, N)`` float64.

    Returns:
        Two tensors ``(F,)``; NaN for a column without values. A deviation that is but rounding is 0.
    """
    mean, scale = num.new_empty(len(num)), num.new_empty(len(num))

    def find(start: int, stop: int) -> None:
        some = num[start:stop]
        mean[start:stop] = some.nanmean(1)
        scale[start:stop] = (some - mean[start:stop, None]).square_().nanmean(1).sqrt()

    each_block(find, len(num), _columns(num))
    noise = 10 * torch.finfo(num.dtype).eps * mean.abs()
    return mean, torch.where(scale <= noise, 0.0, scale)


def extremes(num: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest value of each column ``(F,)``, NaN left out; ``inf`` and ``-inf`` where there is none."""
    least = np.fmin.reduce(num.numpy(), axis=1, initial=np.inf)
    return torch.from_numpy(least), torch.from_numpy(np.fmax.reduce(num.numpy(), axis=1, initial=-np.inf))


def _columns(num: Tensor) -> int:
    """Columns looked at by a thread at once."""
    return max(1, _BLOCK // max(1, num.shape[1]))

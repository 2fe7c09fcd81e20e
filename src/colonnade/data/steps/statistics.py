"""Statistics of columns with missing values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def quantiles(num: Tensor, levels: Tensor) -> Tensor:
    """Quantiles by linear interpolation, NaN left out.

    Args:
        num: ``(F, N)`` float64.
        levels: ``(Q,)`` float64 in [0, 1].

    Returns:
        ``(F, Q)`` float64, equal to ``numpy.nanquantile``; NaN for a column without values.
    """
    found = num.new_full((num.shape[0], len(levels)), torch.nan)
    for column, result in zip(num, found, strict=True):
        # numpy sorts float64 some five times faster than torch, and puts NaN last.
        values = torch.from_numpy(np.sort(column[~column.isnan()].numpy()))
        if not len(values):
            continue
        place = levels * (len(values) - 1)
        # Without it a quantile that is one of the values would miss it by rounding, and equal ones would differ.
        place = torch.where((place - place.round()).abs() < 1e-9, place.round(), place)
        below = place.floor().long()
        above = (below + 1).clamp(max=len(values) - 1)
        result.copy_(values[below] + (values[above] - values[below]) * (place - below))
    return found


def moments(num: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation of each column, NaN left out.

    Args:
        num: ``(F, N)`` float64.

    Returns:
        Two tensors ``(F,)``; NaN for a column without values. A deviation that is but rounding is 0.
    """
    mean = num.nanmean(1)
    scale = (num - mean[:, None]).square_().nanmean(1).sqrt()
    noise = 10 * torch.finfo(num.dtype).eps * mean.abs()
    return mean, torch.where(scale <= noise, 0.0, scale)


def extremes(num: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest value of each column ``(F,)``, NaN left out; ``inf`` and ``-inf`` where there is none."""
    missing = num.isnan()
    if not num.shape[1]:
        return num.new_full((num.shape[0],), torch.inf), num.new_full((num.shape[0],), -torch.inf)
    return num.masked_fill(missing, torch.inf).amin(1), num.masked_fill(missing, -torch.inf).amax(1)

"""Bin edges of numeric columns, taken from encoded train rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colonnade.core.errors import ConfigError


def quantile_edges(sample: Tensor, names: Sequence[str], n_bins: int) -> list[Tensor]:
    """Distinct quantiles of each column, at most ``n_bins + 1`` of them.

    Departure from the reference, which drops quantiles that are equal: where many rows share a value, the grid of
    quantiles is made finer until the bins are used up. With 48 bins, 92 % zeros would leave four to all other values.

    Args:
        sample: ``(S, F)`` encoded train rows.
        names: of the columns, for messages.
        n_bins: number of bins of a column at most.

    Returns:
        For each column its edges, rising; a single one if the column is constant.

    Raises:
        ConfigError: if the sample is empty or a column holds NaN or infinite values.
    """
    if sample.shape[0] == 0:
        raise ConfigError("model.numerical takes its bins from train rows, and there are none: see the split")
    wrong = [name for name, finite in zip(names, sample.isfinite().all(0).tolist(), strict=True) if not finite]
    if wrong:
        shown = ", ".join(repr(name) for name in wrong[:5]) + (", ..." if len(wrong) > 5 else "")
        raise ConfigError(
            f"model.numerical cannot take bins from NaN or infinite values in {shown}: the steps of `pipeline` must "
            "fill them, for example with an impute step"
        )
    return [_edges(column, n_bins) for column in sample.sort(dim=0).values.T.contiguous()]


def _edges(ordered: Tensor, n_bins: int) -> Tensor:
    """Edges of one column: all its values when they are few, else the finest even grid of quantiles with room."""
    values = ordered.unique_consecutive()
    if len(values) <= n_bins + 1:
        return values
    edges = _quantiles(ordered, n_bins, "linear")
    low, high = n_bins, len(ordered)
    while len(edges) <= n_bins and low < high:
        # Between a grid that is known to be coarse enough and one that may be too fine.
        middle = (low + high + 1) // 2
        finer = _quantiles(ordered, middle, "nearest")
        if len(finer) <= n_bins + 1:
            low, edges = middle, finer
        else:
            high = middle - 1
    return edges


def _quantiles(ordered: Tensor, n: int, interpolation: str) -> Tensor:
    """The distinct ones of the ``n + 1`` even quantiles."""
    level = torch.linspace(0, 1, n + 1, dtype=ordered.dtype, device=ordered.device)
    return torch.quantile(ordered, level, interpolation=interpolation).unique()

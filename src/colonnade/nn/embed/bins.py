"""Bin edges of numeric columns, taken from encoded train rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colonnade.core.errors import ConfigError


def quantile_edges(sample: Tensor, names: Sequence[str], n_bins: int) -> list[Tensor]:
    """Distinct quantiles of each column, at most ``n_bins + 1`` of them.

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
    level = torch.linspace(0, 1, n_bins + 1, dtype=sample.dtype, device=sample.device)
    return [edges.unique() for edges in torch.quantile(sample, level, dim=0).T]

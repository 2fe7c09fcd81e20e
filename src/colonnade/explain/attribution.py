"""Attribution: what every method gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Attribution:
    """Contributions of raw columns to scores.

    Args:
        values: ``(N, [T,] columns, views)`` float64; of series for each step, or for each cell where players are cells.
        base: ``(N, views)`` float64, what contributions are counted from; None where they are shares that do not add
            up to the score.
    """

    values: Tensor
    base: Tensor | None

"""Knots: which knot of a column is the last one that is not above a value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Cells of a grid for each knot: most hold one knot at most, and the table of a column takes some 30 kB.
_CELLS = 8


def search(knots: Tensor, x: Tensor) -> Tensor:
    """Position of the last knot that is not above each value, by an unrolled binary search.

    ``torch.searchsorted`` gives the same, but does not export.

    Args:
        knots: ``(F, P)`` ascending, P a power of two; the first is below every value.
        x: ``(F, N)``; NaN gives 0.

    Returns:
        ``(F, N)`` int64.
    """
    place = torch.zeros_like(x, dtype=torch.int64)
    step = knots.shape[1] // 2
    while step:
        # Additions, as torch.where on integers is several times slower.
        higher = knots[:, step:].gather(1, place) <= x
        place = torch.add(place, higher.to(torch.int64), alpha=step)
        step //= 2
    return place


class Grid(nn.Module):
    """The same as :func:`search`, several times as fast: a table tells where the search begins and how long it is.

    Even cells lie between the least and the largest knot of a column. Whatever rounding does, the cell of a larger
    value is no lower one: so all knots of lower cells are below a value, and those of higher cells above it.

    Args:
        knots: ``(F, P)`` as :func:`search` takes them, those left over infinite.

    Columns are numbered anew, by the length of their search, so that a group of them wastes few steps: column ``i`` of
    the grid is column ``order[i]`` of the knots.
    """

    order: Tensor
    low: Tensor
    factor: Tensor
    row: Tensor
    begin: Tensor
    knots: Tensor

    def __init__(self, knots: Tensor) -> None:
        super().__init__()
        self.cells = _CELLS * knots.shape[1]
        low = knots[:, 1:2]
        used = knots.isfinite().sum(1, keepdim=True)
        factor = self.cells / (knots.gather(1, used - 1) - low)
        # Of one knot, or of knots too far apart to subtract, there is one cell.
        factor = torch.where(factor.isfinite(), factor, 0.0)
        found = [
            torch.bincount(cell[1:n], minlength=self.cells)
            for cell, n in zip(_cell(knots, low, factor, self.cells), used[:, 0].tolist(), strict=True)
        ]
        steps = [int(most.max()).bit_length() for most in found]
        order = sorted(range(len(steps)), key=steps.__getitem__)
        self.steps = [steps[i] for i in order]
        # Room beside each column, that no search runs into the next one. It is no knot, as those left over are none.
        self.width = knots.shape[1] + (1 << self.steps[-1]) // 2
        row = torch.arange(len(order), dtype=torch.int32, device=knots.device)[:, None]
        counts = torch.stack([found[i] for i in order])
        # All of it follows from the knots, and is not stored with them.
        self.register_buffer("order", torch.tensor(order, device=knots.device), persistent=False)
        self.register_buffer("low", low[self.order], persistent=False)
        self.register_buffer("factor", factor[self.order], persistent=False)
        self.register_buffer("row", row * self.cells, persistent=False)
        begin = (counts.cumsum(1) - counts + row * self.width).to(torch.int32).flatten()
        self.register_buffer("begin", begin, persistent=False)
        alone = torch.where(knots.isfinite(), knots, torch.nan)
        self.register_buffer("knots", self.lay(alone, torch.nan), persistent=False)

    def lay(self, table: Tensor, fill: float) -> Tensor:
        """The rows of a table ``(F, P)`` end to end, each filled up to the same width, in the order of the grid."""
        return nn.functional.pad(table[self.order], (0, self.width - table.shape[1]), value=fill).flatten()

    def forward(self, x: Tensor, start: int) -> Tensor:
        """Where the knots of values lie in a table that :meth:`lay` laid out.

        Args:
            x: ``(F', N)`` values of columns ``start`` to ``start + F'`` of the grid; NaN gives the first knot.
            start: first of the columns.

        Returns:
            ``(F' * N)`` int32; of an infinite value it is the last knot that is used.
        """
        columns = slice(start, start + len(x))
        cell = _cell(x, self.low[columns], self.factor[columns], self.cells)
        place = self.begin.index_select(0, cell.add_(self.row[columns]).flatten())
        x = x.flatten()
        for bit in reversed(range(self.steps[columns][-1])):
            higher = self.knots[1 << bit :].index_select(0, place) <= x
            place.add_(higher.to(torch.int32), alpha=1 << bit)
        return place


def _cell(x: Tensor, low: Tensor, factor: Tensor, cells: int) -> Tensor:
    """Cell of each value, int32; values beyond the knots lie in the outer ones, NaN in the first."""
    return (x - low).mul_(factor).nan_to_num_(0.0).clamp_(0, cells - 1).to(torch.int32)

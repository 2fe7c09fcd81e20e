"""A linear layer of its own for each column."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import positive


class ColumnLinear(nn.Module):
    """``n`` separate linear layers for ``n`` columns, as one batched product.

    Args:
        n: number of columns.
        d_in: width of a column going in.
        d_out: width of a column coming out.
        bias: whether each layer has a bias.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, n: int, d_in: int, d_out: int, *, bias: bool = True) -> None:
        super().__init__()
        positive(n=n, d_in=d_in, d_out=d_out)
        bound = d_in**-0.5
        self.weight = nn.Parameter(torch.empty(n, d_in, d_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n, d_out).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Float[Tensor, "*batch n i"]) -> Float[Tensor, "*batch n o"]:
        """``(*, n, d_in)`` to ``(*, n, d_out)``."""
        n, d_in, d_out = self.weight.shape
        columns = x.reshape(-1, n, d_in).transpose(0, 1)
        if self.bias is None:
            out = torch.bmm(columns, self.weight)
        else:
            out = torch.baddbmm(self.bias.unsqueeze(1), columns, self.weight)
        return out.transpose(0, 1).reshape(*x.shape[:-1], d_out)

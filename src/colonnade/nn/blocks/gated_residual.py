"""Gated residual networks, and the selection of variables by them."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.blocks.dropout import Dropout


class GatedResidual(nn.Module):
    """``norm(skip(x) + glu(dropout(hidden(elu(input(x) + context(c))))))``: a layer that a gate may close.

    Lim et al., *Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting*, IJF 2021.

    Args:
        d_in, d_hidden, d_out: widths; where going in and coming out are equal, the skip is the input itself.
        d_context: width of a context; 0: there is none.
        n: of so many columns each has layers of its own; None: there is one.
        dropout: before the gate.
    """

    def __init__(
        self, d_in: int, d_hidden: int, d_out: int, *, d_context: int = 0, n: int | None = None, dropout: float
    ) -> None:
        super().__init__()
        linear = nn.Linear if n is None else partial(ColumnLinear, n)
        self.input = linear(d_in, d_hidden)
        self.context = nn.Linear(d_context, d_hidden, bias=False) if d_context else None
        self.hidden = linear(d_hidden, d_hidden)
        self.gate = Gate(d_hidden, d_out, n=n, dropout=dropout)
        self.skip = nn.Identity() if d_in == d_out else linear(d_in, d_out)

    def forward(
        self, x: Float[Tensor, "*batch i"], context: Float[Tensor, "*other c"] | None = None
    ) -> Float[Tensor, "*batch o"]:
        """``(*, d_in)``, and a context that goes with it, to ``(*, d_out)``."""
        h = self.input(x)
        if self.context is not None:
            h = h + self.context(context)
        found: Tensor = self.gate(self.hidden(F.elu(h)), self.skip(x))
        return found


class Gate(nn.Module):
    """``norm(skip + glu(linear(dropout(x))))``.

    Args:
        d_in, d_out: widths.
        n: see :class:`GatedResidual`.
        dropout: of what comes in.
    """

    def __init__(self, d_in: int, d_out: int, *, n: int | None = None, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(d_in, 2 * d_out) if n is None else ColumnLinear(n, d_in, 2 * d_out)
        self.norm = nn.LayerNorm(d_out)

    def forward(self, x: Float[Tensor, "*batch i"], skip: Float[Tensor, "*batch o"]) -> Float[Tensor, "*batch o"]:
        """``(*, d_in)`` and what it is added to, ``(*, d_out)``."""
        found: Tensor = self.norm(skip + F.glu(self.linear(self.dropout(x)), dim=-1))
        return found


class VariableSelection(nn.Module):
    """Weights of variables that depend on all of them, and their weighted sum behind a network of each.

    Lim et al., 2021. Departure: the norms behind the networks of the variables share their scales.

    Args:
        n: variables.
        d: width of each.
        d_context: of a context that the weights depend on too; 0: there is none.
        dropout: see :class:`GatedResidual`.
    """

    def __init__(self, n: int, d: int, *, d_context: int = 0, dropout: float) -> None:
        super().__init__()
        # A single one has no choice.
        self.weigh = GatedResidual(n * d, d, n, d_context=d_context, dropout=dropout) if n > 1 else None
        self.each = GatedResidual(d, d, d, n=n, dropout=dropout)

    def forward(
        self, x: Float[Tensor, "*batch n d"], context: Float[Tensor, "*other c"] | None = None
    ) -> Float[Tensor, "*batch d"]:
        """``(*, n, d)`` to ``(*, d)``."""
        each: Tensor = self.each(x)
        if self.weigh is None:
            return each.squeeze(-2)
        weight = torch.softmax(self.weigh(x.flatten(-2), context), dim=-1)
        return (weight.unsqueeze(-2) @ each).squeeze(-2)

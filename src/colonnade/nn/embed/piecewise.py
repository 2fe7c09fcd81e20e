"""Piecewise-linear embeddings of numbers (PWL)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.checks import one_of, positive
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.bins import quantile_edges
from colonnade.nn.embed.linear import uniform_table


class PiecewiseLinearEncoding(nn.Module):
    """How far a number has filled each bin: ``[1, ..., 1, share of its own bin, 0, ..., 0]``, open at both ends.

    The encoding is a linear map followed by a clamp. Its buffers have the shape ``(F, n_bins)`` whatever the data
    were, so that a network rebuilt without data takes a stored state. A column with fewer distinct quantiles uses
    its first components and, for its last bin, the last component; what lies between stays zero. So a 0/1 column has
    one bin and hands its number on; a column that is constant in the sample encodes to zeros.

    Args:
        spec: names the columns and carries the sample; without one the buffers hold NaN until a state is loaded.
        n_bins: bins of a column at most; 2 or more.

    Raises:
        ConfigError: if the sample cannot be used, see :func:`~colonnade.nn.embed.bins.quantile_edges`.
    """

    weight: Tensor
    bias: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, *, spec: BatchSpec, n_bins: int) -> None:
        super().__init__()
        shape = (spec.n_num, n_bins)
        fill = math.nan if spec.num_sample is None else 0.0
        weight, bias = torch.full(shape, fill), torch.full(shape, fill)
        low, high = torch.zeros(shape), torch.ones(shape)
        low[:, 0] = -math.inf
        high[:, -1] = math.inf
        if spec.num_sample is not None:
            edges_of = quantile_edges(spec.num_sample.cpu(), spec.num_names, n_bins)
            for i, edges in enumerate(edges_of):
                n_own = len(edges) - 1
                if n_own == 0:
                    continue
                # The last bin of every column lies in the last component, where one clamp serves all.
                place = [*range(n_own - 1), n_bins - 1]
                step = edges.diff()
                weight[i, place] = 1 / step
                bias[i, place] = -edges[:-1] / step
                if n_own == 1:
                    low[i, -1] = -math.inf
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch f n"]:
        """``(*, F)`` to ``(*, F, n_bins)``."""
        return torch.addcmul(self.bias, self.weight, x.unsqueeze(-1)).clamp(self.low, self.high)


class PiecewiseLinearEmbedding(Embedding):
    """A linear layer of each column over its piecewise-linear encoding.

    Gorishniy, Rubachev and Babenko, *On Embeddings for Numerical Features in Tabular Deep Learning*, NeurIPS 2022,
    section 3.2, with bins at the quantiles of train rows. Version B (TabM, ICLR 2025) begins as a linear embedding:
    the piecewise part starts at zero and is added to it.

    Args:
        spec: names the columns and carries the sample from which the bins are taken.
        d_embedding: width of a column.
        n_bins: bins of a column at most.
        version: ``"A"`` or ``"B"``.
        activation: whether a ReLU follows the piecewise part.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the sample cannot be used.
    """

    def __init__(
        self,
        *,
        spec: BatchSpec,
        d_embedding: int = 16,
        n_bins: int = 48,
        version: str = "B",
        activation: bool = False,
    ) -> None:
        super().__init__()
        positive(d_embedding=d_embedding)
        one_of(("A", "B"), version=version)
        if n_bins < 2:
            raise ValueError(f"n_bins={n_bins} is out of range: expected n_bins >= 2")
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.activation = activation
        self.encoding = PiecewiseLinearEncoding(spec=spec, n_bins=n_bins)
        self.linear = ColumnLinear(spec.n_num, n_bins, d_embedding, bias=version == "A")
        self.start_weight = self.start_bias = None
        if version == "B":
            self.start_weight = uniform_table(spec.n_num, d_embedding)
            self.start_bias = uniform_table(spec.n_num, d_embedding)
            nn.init.zeros_(self.linear.weight)

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        out = self.linear(self.encoding(x))
        if self.activation:
            out = torch.relu(out)
        if self.start_weight is not None and self.start_bias is not None:
            out = out + torch.addcmul(self.start_bias, self.start_weight, x.unsqueeze(-1))
        return out.flatten(-2)

"""Periodic embeddings of numbers (PLR)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.checks import positive
from colonnade.nn.embed.base import Embedding


class PeriodicEmbedding(Embedding):
    """Cosines and sines of trained frequencies, a linear layer, a ReLU.

    Gorishniy, Rubachev and Babenko, *On Embeddings for Numerical Features in Tabular Deep Learning*, NeurIPS 2022,
    section 3.3; the lite form, one linear layer for all columns, is of the TabR paper, ICLR 2024.

    Args:
        spec: names the columns.
        d_embedding: width of a column.
        n_frequencies: frequencies of a column.
        sigma: standard deviation of the first frequencies. Tuned values ran from .012 to 8: tune it.
        lite: whether the columns share the linear layer.
        activation: whether a ReLU follows.

    Raises:
        ValueError: for an argument out of range, or ``lite`` without ``activation``.
    """

    def __init__(
        self,
        *,
        spec: BatchSpec,
        d_embedding: int = 24,
        n_frequencies: int = 48,
        sigma: float = 0.01,
        lite: bool = False,
        activation: bool = True,
    ) -> None:
        super().__init__()
        positive(d_embedding=d_embedding, n_frequencies=n_frequencies, sigma=sigma)
        if lite and not activation:
            raise ValueError(
                "lite=True with activation=False is one linear layer for all columns: expected activation=True"
            )
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.activation = activation
        frequency = torch.empty(spec.n_num, n_frequencies)
        self.frequency = nn.Parameter(nn.init.trunc_normal_(frequency, 0.0, sigma, a=-3 * sigma, b=3 * sigma))
        self.linear: nn.Module
        if lite:
            self.linear = nn.Linear(2 * n_frequencies, d_embedding)
        else:
            self.linear = ColumnLinear(spec.n_num, 2 * n_frequencies, d_embedding)

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        # The scalar goes to the small factor.
        angle = (2 * math.pi * self.frequency) * x.unsqueeze(-1)
        out = self.linear(torch.cat([angle.cos(), angle.sin()], -1))
        return (torch.relu(out) if self.activation else out).flatten(-2)

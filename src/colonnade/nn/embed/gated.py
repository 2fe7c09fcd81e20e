"""Gated linear embeddings of numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.core.spec import BatchSpec
from colonnade.nn.checks import positive
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.linear import uniform_table


class GatedEmbedding(Embedding):
    """``(x * weight + bias) * tanh(x * gate_weight + gate_bias)`` with vectors of each column.

    Chen et al., *Can a Deep Learning Model be a Sure Bet for Tabular Prediction?* (ExcelFormer), KDD 2024.

    Args:
        spec: names the columns.
        d_embedding: width of a column.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, *, spec: BatchSpec, d_embedding: int = 32) -> None:
        super().__init__()
        positive(d_embedding=d_embedding)
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.weight = uniform_table(spec.n_num, d_embedding)
        self.bias = uniform_table(spec.n_num, d_embedding)
        self.gate_weight = uniform_table(spec.n_num, d_embedding)
        self.gate_bias = uniform_table(spec.n_num, d_embedding)

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        x = x.unsqueeze(-1)
        gate = torch.tanh(torch.addcmul(self.gate_bias, self.gate_weight, x))
        return (torch.addcmul(self.bias, self.weight, x) * gate).flatten(-2)

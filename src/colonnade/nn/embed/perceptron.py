"""Embeddings of numbers by a small perceptron of each column."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.checks import positive
from colonnade.nn.embed.base import Embedding


class PerceptronEmbedding(Embedding):
    """Linear, ReLU, linear, with weights of each column.

    Somepalli et al., *SAINT: Improved Neural Networks for Tabular Data via Row Attention and Contrastive Pre-Training*,
    2021, section 3.

    Args:
        spec: names the columns.
        d_embedding: width of a column.
        d_hidden: width of the hidden layer.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, *, spec: BatchSpec, d_embedding: int = 32, d_hidden: int = 100) -> None:
        super().__init__()
        positive(d_embedding=d_embedding, d_hidden=d_hidden)
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.input = ColumnLinear(spec.n_num, 1, d_hidden)
        self.output = ColumnLinear(spec.n_num, d_hidden, d_embedding)

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        return self.output(torch.relu(self.input(x.unsqueeze(-1)))).flatten(-2)

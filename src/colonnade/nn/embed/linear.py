"""Linear embeddings of numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec
from colonnade.nn.checks import positive
from colonnade.nn.embed.base import Embedding


def uniform_table(n: int, d: int) -> nn.Parameter:
    """``(n, d)`` drawn uniformly within ``d ** -0.5``, as the reference implementations begin their embeddings."""
    bound = d**-0.5
    return nn.Parameter(torch.empty(n, d).uniform_(-bound, bound))


class LinearEmbedding(Embedding):
    """``x * weight + bias`` with vectors of each column: the numeric tokens of FT-Transformer.

    Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, NeurIPS 2021; with the activation, the "LR"
    of *On Embeddings for Numerical Features in Tabular Deep Learning*, NeurIPS 2022.

    Args:
        spec: names the columns.
        d_embedding: width of a column.
        activation: whether a ReLU follows.
        bias: whether there is a bias; AutoInt has none.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, *, spec: BatchSpec, d_embedding: int = 32, activation: bool = False, bias: bool = True) -> None:
        super().__init__()
        positive(d_embedding=d_embedding)
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.activation = activation
        self.weight = uniform_table(spec.n_num, d_embedding)
        self.bias = uniform_table(spec.n_num, d_embedding) if bias else None

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        number = x.unsqueeze(-1)
        out = self.weight * number if self.bias is None else torch.addcmul(self.bias, self.weight, number)
        return (torch.relu(out) if self.activation else out).flatten(-2)

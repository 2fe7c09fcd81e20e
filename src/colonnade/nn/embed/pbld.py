"""Periodic embeddings with a bias, beside the number itself (PBLD)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.column_linear import ColumnLinear
from colonnade.nn.checks import positive
from colonnade.nn.embed.base import Embedding
from colonnade.nn.pace import Pace, Paced


class PBLDEmbedding(Embedding, Paced):
    """Cosines of trained frequencies and phases, a linear layer, and the number itself: periodic, bias, linear,
    DenseNet.

    Holzmüller, Grinsztajn and Steinwart, *Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data*,
    NeurIPS 2024. Beside PLR it has a phase in place of the sine, no ReLU, and few dimensions; since the number stays,
    nothing of it is lost where frequencies are low. PWL (:mod:`colonnade.nn.embed.piecewise`) is local where this is
    smooth, and needs a sample of the data.

    Args:
        spec: names the columns.
        d_embedding: width of a column, the number included; 2 or more.
        n_frequencies: frequencies of a column.
        sigma: standard deviation of the first frequencies.
        lr_factor: of the learning rate of the embedding; it stands in the decay a second time, as in the published
            code.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        spec: BatchSpec,
        d_embedding: int = 4,
        n_frequencies: int = 16,
        sigma: float = 0.1,
        lr_factor: float = 0.1,
    ) -> None:
        super().__init__()
        positive(n_frequencies=n_frequencies, sigma=sigma, lr_factor=lr_factor)
        if d_embedding < 2:
            raise ValueError(f"d_embedding={d_embedding} is out of range: expected d_embedding >= 2")
        self.names = spec.num_names
        self.widths = (d_embedding,) * spec.n_num
        self.lr_factor = lr_factor
        shape = (spec.n_num, n_frequencies)
        self.frequency = nn.Parameter(sigma * torch.randn(shape))
        self.phase = nn.Parameter(torch.empty(shape).uniform_(-math.pi, math.pi))
        self.linear = ColumnLinear(spec.n_num, n_frequencies, d_embedding - 1)

    def paces(self) -> dict[str, Pace]:
        """All of it learns slowly, and decays, unlike other embeddings."""
        return {name: Pace(lr=self.lr_factor, decay=self.lr_factor) for name, _ in self.named_parameters()}

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch fd"]:
        """``(*, F)`` to ``(*, F * d_embedding)``; the number comes first in each segment."""
        number = x.unsqueeze(-1)
        angle = torch.addcmul(self.phase, 2 * math.pi * self.frequency, number)
        return torch.cat([number, self.linear(angle.cos())], -1).flatten(-2)

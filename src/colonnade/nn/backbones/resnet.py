"""The residual network for tables."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class ResNet(Backbone):
    """Batch normalisation, linear, ReLU, linear, added to what came in.

    Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, NeurIPS 2021, section 3.2.

    Args:
        layout: of the embedded row.
        d_block: width of the residual stream.
        n_blocks: blocks.
        d_hidden_factor: the hidden width of a block is ``int(d_block * d_hidden_factor)``.
        hidden_dropout: dropout after the ReLU of a block.
        residual_dropout: dropout of what a block adds.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 192,
        n_blocks: int = 2,
        d_hidden_factor: float = 2.0,
        hidden_dropout: float = 0.3,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, d_hidden_factor=d_hidden_factor)
        fraction(hidden_dropout=hidden_dropout, residual_dropout=residual_dropout)
        d_hidden = int(d_block * d_hidden_factor)
        positive(d_hidden=d_hidden)
        self.d_out = d_block
        self.input = nn.Linear(layout.d_flat, d_block)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(d_block),
                nn.Linear(d_block, d_hidden),
                nn.ReLU(inplace=True),
                Dropout(hidden_dropout),
                nn.Linear(d_hidden, d_block),
                Dropout(residual_dropout),
            )
            for _ in range(n_blocks)
        )
        self.norm = nn.BatchNorm1d(d_block)

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_block)``."""
        x = self.input(x)
        for block in self.blocks:
            x = x + block(x)
        return torch.relu(self.norm(x)).unsqueeze(1), None

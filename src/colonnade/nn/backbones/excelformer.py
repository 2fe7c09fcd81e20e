"""ExcelFormer: attention in which a column hears only columns that tell at least as much about the target."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.nn.backbones.base import Backbone, DataAware
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.information import mutual_information
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


def attenuate(linear: nn.Module, scale: float = 1.0) -> nn.Linear:
    """Weights of a linear layer within ``scale / sqrt(d_in)``, bias zero; if small, a block begins as nothing."""
    assert isinstance(linear, nn.Linear)
    bound = scale / math.sqrt(linear.in_features)
    nn.init.uniform_(linear.weight, -bound, bound)
    nn.init.zeros_(linear.bias)
    return linear


class Block(nn.Module):
    """Masked attention, then a linear layer gated by a tanh, each normalised before and added after.

    Args:
        d_block: width of a token.
        n_heads: attention heads.
        attention_dropout, residual_dropout, start_scale: see :class:`ExcelFormer`.
        is_first: the first block does not normalise before attention.
    """

    def __init__(
        self,
        *,
        d_block: int,
        n_heads: int,
        attention_dropout: float,
        residual_dropout: float,
        start_scale: float,
        is_first: bool,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.Identity() if is_first else nn.LayerNorm(d_block)
        self.attention = SelfAttention(d_block, n_heads=n_heads, dropout=attention_dropout)
        attenuate(self.attention.qkv, start_scale)
        attenuate(self.attention.out)
        self.norm = nn.LayerNorm(d_block)
        self.linear = attenuate(nn.Linear(d_block, 2 * d_block), start_scale)
        self.residual_dropout = Dropout(residual_dropout)

    def forward(self, x: Float[Tensor, "b n d"], mask: Tensor) -> Float[Tensor, "b n d"]:
        """``(B, n, d_block)`` to the same; ``mask`` ``(n, n)`` says which token may ask which."""
        x = x + self.residual_dropout(self.attention(self.attention_norm(x), mask=mask))
        value, gate = self.linear(self.norm(x)).chunk(2, dim=-1)
        return x + self.residual_dropout(value * torch.tanh(gate))


class ExcelFormer(Backbone, DataAware):
    """Semi-permeable attention over the columns of a row, then a weighted sum of the columns.

    Chen et al., *Can a Deep Learning Model be a Sure Bet for Tabular Prediction?*, KDD 2024. Columns are ranked by
    their mutual information with the target in train rows, when the network is built; the mask that follows is part
    of its state. The mixing of rows in training (Feat-Mix, Hid-Mix) is not here.

    Args:
        layout: of the embedded row; every column ``d_block`` wide.
        d_block: width of a token.
        n_blocks: blocks.
        n_heads: attention heads; must divide ``d_block``.
        attention_dropout: dropout of the attention weights.
        residual_dropout: dropout of what a part adds.
        start_scale: by which the first weights of a block are made smaller.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the embeddings give another width than ``d_block``; names the YAML keys.
    """

    accepts = "tokens"
    mask: Tensor

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 256,
        n_blocks: int = 3,
        n_heads: int = 32,
        attention_dropout: float = 0.3,
        residual_dropout: float = 0.0,
        start_scale: float = 0.01,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, start_scale=start_scale)
        fraction(attention_dropout=attention_dropout, residual_dropout=residual_dropout)
        layout.require_tokens(d_token=d_block, backbone="ExcelFormer", key="model.backbone.d_block")
        self.d_out = d_block
        # Until the data are seen, every column hears every other.
        self.register_buffer("mask", torch.ones(layout.n_columns, layout.n_columns, dtype=torch.bool))
        self.blocks = nn.ModuleList(
            Block(
                d_block=d_block,
                n_heads=n_heads,
                attention_dropout=attention_dropout,
                residual_dropout=residual_dropout,
                start_scale=start_scale,
                is_first=i == 0,
            )
            for i in range(n_blocks)
        )
        self.columns = attenuate(nn.Linear(layout.n_columns, 1))
        self.norm = nn.LayerNorm(d_block)
        self.activation = nn.PReLU()

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b 1 d"], None]:
        """``(B, n_columns, d_block)`` to ``(B, 1, d_block)``."""
        for block in self.blocks:
            x = block(x, self.mask)
        summed = self.columns(x.transpose(1, 2)).squeeze(-1)
        return self.activation(self.norm(summed)).unsqueeze(1), None

    def start(self, x: Tensor, rows: Batch) -> None:
        """Rank the columns; of equal ones the first is ahead."""
        ahead = mutual_information(rows).sort(descending=True, stable=True).indices
        rank = torch.empty_like(ahead)
        rank[ahead] = torch.arange(len(ahead), device=ahead.device)
        self.mask.copy_(rank.unsqueeze(0) <= rank.unsqueeze(1))

"""AutoInt: attention between columns, without feed-forward parts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class InteractingLayer(nn.Module):
    """``relu(norm(x @ W + attention(x)))``.

    Args:
        d: width of a token.
        n_heads: attention heads.
        attention_dropout, residual_dropout: see :class:`AutoInt`.
    """

    def __init__(self, d: int, *, n_heads: int, attention_dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(d, n_heads=n_heads, dropout=attention_dropout, project=False)
        self.linear = nn.Linear(d, d, bias=False)
        self.norm = nn.LayerNorm(d)
        self.dropout = Dropout(residual_dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """``(B, n, d)`` to the same."""
        return torch.relu(self.norm(self.linear(x) + self.dropout(self.attention(x))))


class AutoInt(Backbone):
    """A token for each column; the tokens attend to each other, and all of them together are the representation.

    Song et al., *AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural Networks*, CIKM 2019; with
    the scaled attention and the normalisation of the implementation in Gorishniy et al., *Revisiting Deep Learning
    Models for Tabular Data*, NeurIPS 2021.

    Args:
        layout: of the embedded row; every column ``d_block`` wide.
        d_block: width of a token.
        n_blocks: interacting layers.
        n_heads: attention heads; must divide ``d_block``.
        attention_dropout: dropout of the attention weights.
        residual_dropout: dropout of what attention adds.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the embeddings give another width than ``d_block``; names the YAML keys.
    """

    accepts = "tokens"

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 64,
        n_blocks: int = 3,
        n_heads: int = 8,
        attention_dropout: float = 0.2,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads)
        fraction(attention_dropout=attention_dropout, residual_dropout=residual_dropout)
        layout.require_tokens(d_token=d_block, backbone="AutoInt", key="model.backbone.d_block")
        self.d_out = layout.n_columns * d_block
        self.blocks = nn.Sequential(
            *(
                InteractingLayer(
                    d_block,
                    n_heads=n_heads,
                    attention_dropout=attention_dropout,
                    residual_dropout=residual_dropout,
                )
                for _ in range(n_blocks)
            )
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, n_columns, d_block)`` to ``(B, 1, n_columns * d_block)``."""
        return self.blocks(x).flatten(1).unsqueeze(1), None

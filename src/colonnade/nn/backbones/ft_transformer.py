"""FT-Transformer: a transformer over the columns of a row."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.attention import SelfAttention, reglu
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class Block(nn.Module):
    """Attention, then a ReGLU feed-forward part, each normalised before and added after.

    Args:
        d_block: width of a token.
        d_hidden: hidden width of the feed-forward part.
        n_heads: attention heads.
        attention_dropout, ffn_dropout, residual_dropout: see :class:`FTTransformer`.
        is_first: the first block does not normalise before attention, which this architecture depends on.
        is_last: only the summary token goes on.
    """

    def __init__(
        self,
        *,
        d_block: int,
        d_hidden: int,
        n_heads: int,
        attention_dropout: float,
        ffn_dropout: float,
        residual_dropout: float,
        is_first: bool,
        is_last: bool,
    ) -> None:
        super().__init__()
        self.is_last = is_last
        self.attention_norm = nn.Identity() if is_first else nn.LayerNorm(d_block)
        self.attention = SelfAttention(d_block, n_heads=n_heads, dropout=attention_dropout)
        self.ffn_norm = nn.LayerNorm(d_block)
        self.ffn_in = nn.Linear(d_block, 2 * d_hidden)
        self.ffn_dropout = Dropout(ffn_dropout)
        self.ffn_out = nn.Linear(d_hidden, d_block)
        self.residual_dropout = Dropout(residual_dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        """``(B, n, d_block)`` to the same, or to ``(B, 1, d_block)`` in the last block."""
        attended = self.attention(self.attention_norm(x), first_only=self.is_last)
        x = (x[:, :1] if self.is_last else x) + self.residual_dropout(attended)
        hidden = self.ffn_dropout(reglu(self.ffn_in(self.ffn_norm(x))))
        return x + self.residual_dropout(self.ffn_out(hidden))


class FTTransformer(Backbone):
    """A summary token and a token for each column attend to each other; the summary token is the representation.

    Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, NeurIPS 2021, section 3.3.

    Args:
        layout: of the embedded row; every column ``d_block`` wide.
        d_block: width of a token.
        n_blocks: blocks.
        n_heads: attention heads; must divide ``d_block``.
        d_hidden_factor: the hidden width of the feed-forward part is ``int(d_block * d_hidden_factor)``.
        attention_dropout: dropout of the attention weights.
        ffn_dropout: dropout in the feed-forward part.
        residual_dropout: dropout of what a part adds.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the embeddings give another width than ``d_block``; names the YAML keys.
    """

    accepts = "tokens"

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 192,
        n_blocks: int = 3,
        n_heads: int = 8,
        d_hidden_factor: float = 4 / 3,
        attention_dropout: float = 0.2,
        ffn_dropout: float = 0.1,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, d_hidden_factor=d_hidden_factor)
        fraction(attention_dropout=attention_dropout, ffn_dropout=ffn_dropout, residual_dropout=residual_dropout)
        layout.require_tokens(d_token=d_block, backbone="FTTransformer", key="model.backbone.d_block")
        d_hidden = int(d_block * d_hidden_factor)
        positive(d_hidden=d_hidden)
        self.d_out = d_block
        bound = d_block**-0.5
        self.summary = nn.Parameter(torch.empty(d_block).uniform_(-bound, bound))
        self.blocks = nn.Sequential(
            *(
                Block(
                    d_block=d_block,
                    d_hidden=d_hidden,
                    n_heads=n_heads,
                    attention_dropout=attention_dropout,
                    ffn_dropout=ffn_dropout,
                    residual_dropout=residual_dropout,
                    is_first=i == 0,
                    is_last=i == n_blocks - 1,
                )
                for i in range(n_blocks)
            )
        )
        self.norm = nn.LayerNorm(d_block)

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b 1 d"], None]:
        """``(B, n_columns, d_block)`` to ``(B, 1, d_block)``."""
        x = torch.cat([self.summary.expand(x.shape[0], 1, -1), x], dim=1)
        return torch.relu(self.norm(self.blocks(x))), None

    def attention(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n"]:
        """Shares of the summary token's attention to each column, averaged over heads and blocks (section 5.3 of the
        paper); what it gives to itself is left out, and the rest adds up to one."""
        x = torch.cat([self.summary.expand(x.shape[0], 1, -1), x], dim=1)
        total = x.new_zeros(x.shape[:2])
        for block in self.blocks:
            assert isinstance(block, Block)
            total = total + block.attention.of_first(block.attention_norm(x)).mean(1)
            x = block(x)
        columns = total[:, 1:]
        return columns / columns.sum(1, keepdim=True)

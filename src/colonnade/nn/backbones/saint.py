"""SAINT: attention over the columns of a row, and over rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.retrieval import RetrievalBackbone
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.transformer import FeedForward, TransformerLayer
from colonnade.nn.checks import fraction, positive
from colonnade.nn.context import Lookup
from colonnade.nn.embed.linear import uniform_table
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout


class RowAttention(SelfAttention):
    """Self-attention over rows: in a batch, or of each row with itself and given rows."""

    def batch(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Every row ``(B, d)`` asks every row."""
        return self(x.unsqueeze(0)).squeeze(0)

    def beside(self, x: Float[Tensor, "b d"], others: Float[Tensor, "m d"]) -> Float[Tensor, "b d"]:
        """Every row ``(B, d)`` asks itself and the others ``(M, d)``."""
        q, own_k, own_v = (t.unflatten(-1, (self.n_heads, -1)) for t in self.qkv(x).chunk(3, dim=-1))
        _, k, v = (t.unflatten(-1, (self.n_heads, -1)) for t in self.qkv(others).chunk(3, dim=-1))
        own = (q * own_k).sum(-1, keepdim=True)
        scores = torch.cat([own, torch.einsum("bhd,mhd->bhm", q, k)], dim=-1) * q.shape[-1] ** -0.5
        share = torch.softmax(scores, dim=-1)
        mixed = share[..., :1] * own_v + torch.einsum("bhm,mhd->bhd", share[..., 1:], v)
        out: Tensor = self.out(mixed.flatten(1))
        return out


class Layer(nn.Module):
    """Columns attend within each row, then rows attend to rows.

    Args:
        n_tokens: tokens of a row.
        d_block: width of a token.
        n_heads, d_hidden_factor, attention_dropout, ffn_dropout: see :class:`SAINT`.
    """

    def __init__(
        self,
        n_tokens: int,
        *,
        d_block: int,
        n_heads: int,
        d_hidden_factor: int,
        attention_dropout: float,
        ffn_dropout: float,
    ) -> None:
        super().__init__()
        self.columns = TransformerLayer(
            d_block,
            n_heads=n_heads,
            d_hidden_factor=d_hidden_factor,
            attention_dropout=attention_dropout,
            ffn_dropout=ffn_dropout,
        )
        d_row = n_tokens * d_block
        self.norm = nn.LayerNorm(d_row)
        self.rows = RowAttention(d_row, n_heads=n_heads, dropout=attention_dropout)
        self.ffn = FeedForward(d_row, d_hidden_factor=d_hidden_factor, dropout=ffn_dropout)

    def forward(self, x: Float[Tensor, "b n d"], stored: Float[Tensor, "m n d"] | None) -> Float[Tensor, "b n d"]:
        """``(B, n, d_block)`` to the same; rows ask each other, or themselves and the ``stored`` rows of this layer."""
        row = self.columns(x).flatten(1)
        if stored is None:
            row = row + self.rows.batch(self.norm(row))
        else:
            row = row + self.rows.beside(self.norm(row), self.norm(self.columns(stored).flatten(1)))
        return (row + self.ffn(row)).view_as(x)


class SAINT(RetrievalBackbone):
    """Column attention and intersample attention in turn; the summary token is the representation.

    Somepalli et al., *SAINT: Improved Neural Networks for Tabular Data via Row Attention and Contrastive Pre-Training*,
    2021.

    In training the rows of a batch attend to each other. In the reference they do so in evaluation too, where a
    prediction then depends on what else is predicted with it. Here the context stands for the batch: a row attends to
    itself and to the stored train rows, which attend among themselves; labels are not looked at.

    Args:
        layout: of the embedded row; every column ``d_block`` wide.
        labels: of the context; not used.
        d_block: width of a token.
        n_blocks: pairs of column and row attention.
        n_heads: attention heads; must divide ``d_block``.
        d_hidden_factor: hidden width of the feed-forward parts, in widths of what they take.
        attention_dropout: dropout of the attention weights.
        ffn_dropout: dropout in the feed-forward parts.
        d_hidden: width of the ReLU layer over the summary token.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the embeddings give another width than ``d_block``; names the YAML keys.
    """

    accepts = "tokens"

    def __init__(
        self,
        *,
        layout: Layout,
        labels: Labels,
        d_block: int = 32,
        n_blocks: int = 6,
        n_heads: int = 8,
        d_hidden_factor: int = 4,
        attention_dropout: float = 0.1,
        ffn_dropout: float = 0.1,
        d_hidden: int = 1000,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, d_hidden=d_hidden)
        fraction(attention_dropout=attention_dropout, ffn_dropout=ffn_dropout)
        layout.require_tokens(d_token=d_block, backbone="SAINT", key="model.backbone.d_block")
        self.d_out = d_hidden
        self.summary = uniform_table(1, d_block)
        self.layers = nn.ModuleList(
            Layer(
                layout.n_columns + 1,
                d_block=d_block,
                n_heads=n_heads,
                d_hidden_factor=d_hidden_factor,
                attention_dropout=attention_dropout,
                ffn_dropout=ffn_dropout,
            )
            for _ in range(n_blocks)
        )
        self.output = nn.Linear(d_block, d_hidden)

    def keys(self, x: Float[Tensor, "n c d"]) -> Float[Tensor, "n t d"]:
        """``(N, n_columns, d_block)`` to the tokens of rows, the summary token first."""
        return torch.cat([self.summary.expand(x.shape[0], 1, -1), x], dim=1)

    def forward(self, x: Float[Tensor, "b c d"], lookup: Lookup) -> tuple[Float[Tensor, "b 1 h"], None]:  # type: ignore[override]
        """``(B, n_columns, d_block)`` to ``(B, 1, d_hidden)``."""
        x = self.keys(x)
        stored = None if self.training else lookup.keys(None)
        for i, layer in enumerate(self.layers):
            x = layer(x, stored)
            if stored is not None and i < len(self.layers) - 1:
                stored = layer(stored, None)
        return torch.relu(self.output(x[:, 0])).unsqueeze(1), None

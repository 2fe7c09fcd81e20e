"""A transformer layer of the TabTransformer family: norms before, GEGLU in the feed-forward part."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.blocks.attention import SelfAttention, geglu
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import positive


class FeedForward(nn.Module):
    """Layer norm, linear, GEGLU, dropout, linear.

    Args:
        d: width of a token.
        d_hidden_factor: the hidden width is ``d * d_hidden_factor``.
        dropout: dropout of the hidden layer.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d: int, *, d_hidden_factor: int, dropout: float) -> None:
        super().__init__()
        positive(d=d, d_hidden_factor=d_hidden_factor)
        self.norm = nn.LayerNorm(d)
        self.input = nn.Linear(d, 2 * d * d_hidden_factor)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(d * d_hidden_factor, d)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """``(*, d)`` to ``(*, d)``."""
        out: Tensor = self.output(self.dropout(geglu(self.input(self.norm(x)))))
        return out


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward part, each added to what came in.

    Args:
        d: width of a token.
        n_heads: attention heads; must divide ``d``.
        d_hidden_factor: see :class:`FeedForward`.
        attention_dropout: dropout of the attention weights.
        ffn_dropout: dropout in the feed-forward part.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, d: int, *, n_heads: int, d_hidden_factor: int, attention_dropout: float, ffn_dropout: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attention = SelfAttention(d, n_heads=n_heads, dropout=attention_dropout)
        self.ffn = FeedForward(d, d_hidden_factor=d_hidden_factor, dropout=ffn_dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """``(B, n, d)`` to ``(B, n, d)``."""
        x = x + self.attention(self.norm(x))
        return x + self.ffn(x)

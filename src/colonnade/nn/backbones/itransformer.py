"""iTransformer: a transformer whose tokens are whole channels."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.reversible_norm import ReversibleNorm
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class ITransformer(ForecastBackbone):
    """The past of each column, normalised by its own window, is one token: attention relates columns, the feed-forward
    parts map each of them, and a linear layer forecasts from the tokens of what is forecast.

    Liu et al., *iTransformer: Inverted Transformers Are Effective for Time Series Forecasting*, ICLR 2024. Norms stand
    behind the parts, as in its implementation. All encoded columns are tokens, those that are not forecast too.

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        d_block: width of a token.
        n_blocks: layers.
        n_heads: attention heads; must divide ``d_block``.
        d_hidden: hidden width of the feed-forward parts.
        dropout: of embedded tokens, of attention weights, in the feed-forward parts and of what each part adds.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        window: Window,
        d_block: int = 256,
        n_blocks: int = 2,
        n_heads: int = 8,
        d_hidden: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, d_hidden=d_hidden)
        fraction(dropout=dropout)
        self.window = window
        self.d_out = window.d_out
        self.instance = ReversibleNorm()
        self.embed = nn.Linear(window.context, d_block)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            Layer(d_block, n_heads=n_heads, d_hidden=d_hidden, dropout=dropout) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(d_block)
        self.forecast = nn.Linear(d_block, window.horizon)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        normal, location, scale = self.instance(x.transpose(1, 2))
        h = self.dropout(self.embed(normal))
        for layer in self.layers:
            h = layer(h)
        channels = list(self.window.channels)
        ahead = self.forecast(self.norm(h[:, channels]))
        return self.window.flat(self.window.placed(ahead, location[:, channels], scale[:, channels])), None


class Layer(nn.Module):
    """Attention and a feed-forward part, each added to what came in, with a norm behind.

    Args:
        d: width of a token.
        n_heads: attention heads.
        d_hidden: hidden width of the feed-forward part.
        dropout: see :class:`ITransformer`.
    """

    def __init__(self, d: int, *, n_heads: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(d, n_heads=n_heads, dropout=dropout)
        self.attention_norm = nn.LayerNorm(d)
        self.input = nn.Linear(d, d_hidden)
        self.output = nn.Linear(d_hidden, d)
        self.ffn_norm = nn.LayerNorm(d)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """``(B, n, d)`` to ``(B, n, d)``."""
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        hidden = self.dropout(F.gelu(self.input(x)))
        out: Tensor = self.ffn_norm(x + self.dropout(self.output(hidden)))
        return out

"""The transformer encoder over steps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.pooling import StepPool
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class SequenceTransformer(SequenceBackbone):
    """A projection of each step, the position added as sines and cosines, layers of attention, and a pooling.

    Vaswani et al., *Attention Is All You Need*, NeurIPS 2017; as a classifier of series, Zerveas et al., *A
    Transformer-based Framework for Multivariate Time Series Representation Learning*, KDD 2021, whose positions are
    learned and whose norms are of batches. Fixed positions have no last one; norms before the layers need no warm-up.

    Args:
        layout: of an embedded step.
        d_block: width of a step inside.
        n_blocks: layers.
        n_heads: attention heads; must divide ``d_block``.
        d_hidden: hidden width of the feed-forward parts.
        dropout: dropout after the projection, of the attention weights, and of what each part adds.
        pooling: see :class:`~colonnade.nn.blocks.pooling.StepPool`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 128,
        n_blocks: int = 3,
        n_heads: int = 16,
        d_hidden: int = 256,
        dropout: float = 0.1,
        pooling: str = "mean",
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, d_hidden=d_hidden)
        fraction(dropout=dropout)
        self.d_out = d_block
        self.project = nn.Linear(layout.d_flat, d_block)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            Layer(d_block, n_heads=n_heads, d_hidden=d_hidden, dropout=dropout) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(d_block)
        self.pool = StepPool(d_block, pooling)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, T, d_flat)`` to ``(B, 1, d_block)``."""
        x = self.project(x)
        x = self.dropout(x + positions(x.shape[1], x.shape[2], x.device).to(x.dtype))
        for layer in self.layers:
            x = layer(x, mask)
        return self.pool(self.norm(x), mask).unsqueeze(1), None


class Layer(nn.Module):
    """Attention over the valid steps and a feed-forward part, each with a norm before and added to what came in.

    Args:
        d: width of a step.
        n_heads: attention heads.
        d_hidden: hidden width of the feed-forward part.
        dropout: see :class:`SequenceTransformer`.
    """

    def __init__(self, d: int, *, n_heads: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d)
        self.attention = SelfAttention(d, n_heads=n_heads, dropout=dropout)
        self.ffn_norm = nn.LayerNorm(d)
        self.input = nn.Linear(d, d_hidden)
        self.output = nn.Linear(d_hidden, d)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b t d"]:
        """``(B, T, d)`` to ``(B, T, d)``."""
        asked = None if mask is None else mask[:, None, None, :]
        x = x + self.dropout(self.attention(self.attention_norm(x), mask=asked))
        hidden = self.dropout(F.gelu(self.input(self.ffn_norm(x))))
        return x + self.dropout(self.output(hidden))


def positions(n: int | torch.SymInt, d: int, device: torch.device) -> Float[Tensor, "n d"]:
    """Sines and cosines of the position at wavelengths from ``2 pi`` to ``10000 * 2 pi``, ``(n, d)``.

    In an export the number of positions is a symbol.
    """
    rate = torch.exp(torch.arange(0, d, 2, device=device) * (-math.log(10_000.0) / d))
    step = torch.arange(n, device=device)  # type: ignore[arg-type]
    angle = step.unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d]

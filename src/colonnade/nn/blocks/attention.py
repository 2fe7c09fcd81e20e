"""Multi-head self-attention over the tokens of a row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.checks import fraction, positive


class SelfAttention(nn.Module):
    """Scaled dot-product attention in which all tokens, or the first alone, ask all tokens.

    Vaswani et al., *Attention Is All You Need*, NeurIPS 2017.

    Args:
        d: width of a token.
        n_heads: heads; must divide ``d``.
        dropout: dropout of the attention weights.
        project: whether a linear layer mixes the heads at the end.

    Raises:
        ValueError: for an argument out of range, or ``d`` not a multiple of ``n_heads``.
    """

    def __init__(self, d: int, *, n_heads: int, dropout: float = 0.0, project: bool = True) -> None:
        super().__init__()
        positive(d=d, n_heads=n_heads)
        fraction(dropout=dropout)
        if d % n_heads:
            raise ValueError(f"n_heads={n_heads} does not divide the token width {d}")
        self.n_heads = n_heads
        self.dropout = dropout
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d) if project else nn.Identity()
        nn.init.zeros_(self.qkv.bias)
        if isinstance(self.out, nn.Linear):
            nn.init.zeros_(self.out.bias)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        *,
        first_only: bool = False,
        mask: Bool[Tensor, "m n"] | Bool[Tensor, "b 1 1 n"] | None = None,
    ) -> Float[Tensor, "b m d"]:
        """Attend.

        Args:
            x: ``(B, n, d)``.
            first_only: only the first token asks.
            mask: which token (row) may ask which (column), or, with ``(B, 1, 1, n)``, which tokens of a row may be
                asked; None: any.

        Returns:
            ``(B, n, d)``, or ``(B, 1, d)`` if ``first_only``.
        """
        d = x.shape[-1]
        if first_only:
            weight, bias = self.qkv.weight, self.qkv.bias
            q = F.linear(x[:, :1], weight[:d], bias[:d])
            k, v = F.linear(x, weight[d:], bias[d:]).chunk(2, dim=-1)
        else:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (q, k, v))
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return out

    def of_first(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b heads n"]:
        """How the first token spreads its attention over all tokens, in each head; without a mask or dropout."""
        d = x.shape[-1]
        weight, bias = self.qkv.weight[: 2 * d], self.qkv.bias[: 2 * d]
        q = F.linear(x[:, :1], weight[:d], bias[:d])
        k = F.linear(x, weight[d:], bias[d:])
        q, k = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (q, k))
        shares: Tensor = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).squeeze(2)
        return shares


def reglu(x: Float[Tensor, "*batch d2"]) -> Float[Tensor, "*batch d"]:
    """``a * relu(b)`` of the two halves ``a, b`` of the last dimension (Shazeer, *GLU Variants Improve Transformer*,
    2020)."""
    a, b = x.chunk(2, dim=-1)
    return a * torch.relu(b)


def geglu(x: Float[Tensor, "*batch d2"]) -> Float[Tensor, "*batch d"]:
    """``a * gelu(b)`` of the two halves ``a, b`` of the last dimension (Shazeer, 2020)."""
    a, b = x.chunk(2, dim=-1)
    return a * F.gelu(b)

"""PatchTST: a transformer over patches of each channel by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.forecast import ForecastBackbone, Window
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout

EPSILON = 1e-5


class PatchTST(ForecastBackbone):
    """Each channel is normalised by its own mean and deviation, cut into overlapping patches, and mapped by a
    transformer that all channels share; a linear layer over all patches forecasts, in the units that were taken off.

    Nie et al., *A Time Series is Worth 64 Words: Long-term Forecasting with Transformers*, ICLR 2023. As in its
    implementation, norms are of batches and stand behind the parts, positions are learned, and the scores of a layer
    are added to those of the next (He et al., *RealFormer*, 2021).

    Args:
        layout: of an embedded step.
        window: what is looked at, and forecast.
        patch: steps of a patch.
        stride: steps between patches; the last value is repeated so many times at the end.
        d_block: width of a patch inside.
        n_blocks: layers.
        n_heads: attention heads; must divide ``d_block``.
        d_hidden: hidden width of the feed-forward parts.
        dropout: of embedded patches, and of what each part adds.

    Raises:
        ValueError: for an argument out of range, or a patch longer than the context.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        window: Window,
        patch: int = 16,
        stride: int = 8,
        d_block: int = 128,
        n_blocks: int = 3,
        n_heads: int = 16,
        d_hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        positive(patch=patch, stride=stride, d_block=d_block, n_blocks=n_blocks, n_heads=n_heads, d_hidden=d_hidden)
        fraction(dropout=dropout)
        if patch > window.context:
            raise ValueError(f"patch={patch} is longer than data.context={window.context}")
        if d_block % n_heads:
            raise ValueError(f"n_heads={n_heads} does not divide d_block={d_block}")
        self.window = window
        self.d_out = window.d_out
        self.patch = patch
        self.stride = stride
        n_patches = (window.context + stride - patch) // stride + 1
        self.embed = nn.Linear(patch, d_block)
        self.position = nn.Parameter(torch.empty(n_patches, d_block).uniform_(-0.02, 0.02))
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            Layer(d_block, n_heads=n_heads, d_hidden=d_hidden, dropout=dropout) for _ in range(n_blocks)
        )
        self.forecast = nn.Linear(n_patches * d_block, window.horizon)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, context, d_flat)`` to ``(B, 1, horizon * C)``."""
        past = self.window.past(x)
        mean = past.mean(-1, keepdim=True)
        scale = (past.var(-1, keepdim=True, correction=0) + EPSILON).sqrt()
        normal = F.pad((past - mean) / scale, (0, self.stride), mode="replicate")
        patches = normal.unfold(-1, self.patch, self.stride)
        h = self.dropout(self.embed(patches.flatten(0, 1)) + self.position)
        scores: Tensor | None = None
        for layer in self.layers:
            h, scores = layer(h, scores)
        ahead = self.forecast(h.flatten(1)).unflatten(0, past.shape[:2])
        return self.window.flat(self.window.placed(ahead, mean, scale)), None


class Layer(nn.Module):
    """Attention whose scores are added to those of the layer before, and a feed-forward part; batch norms behind both.

    Args:
        d: width of a patch.
        n_heads: attention heads.
        d_hidden: hidden width of the feed-forward part.
        dropout: of what each part adds.
    """

    def __init__(self, d: int, *, n_heads: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.attention_norm = nn.BatchNorm1d(d)
        self.input = nn.Linear(d, d_hidden)
        self.output = nn.Linear(d_hidden, d)
        self.ffn_norm = nn.BatchNorm1d(d)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "b n d"], before: Float[Tensor, "b h n n"] | None
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b h n n"]]:
        """``(B, n, d)`` to the same, with the scores of its attention ``(B, heads, n, n)``."""
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        # The queries are scaled, of which there are fewer than of scores.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if before is not None:
            scores = scores + before
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(-2)
        x = _of_batch(self.attention_norm, x + self.dropout(self.out(mixed)))
        hidden = self.dropout(F.gelu(self.input(x)))
        return _of_batch(self.ffn_norm, x + self.dropout(self.output(hidden))), scores


def _of_batch(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """The norm of each of ``d`` over patches and rows, as if each patch were a row."""
    normed: Tensor = norm(x.flatten(0, 1)).view_as(x)
    return normed

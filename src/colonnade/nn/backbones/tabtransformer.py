"""TabTransformer: a transformer over the categories of a row, a perceptron over its result and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.transformer import TransformerLayer
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class TabTransformer(Backbone):
    """Embedded categories attend to each other and stand beside the numbers, which stay as they are.

    Huang, Khetan, Cvitkovic and Karnin, *TabTransformer: Tabular Data Modeling Using Contextual Embeddings*, 2020.
    Departures: no layer norm over the numbers of a row, which the pipeline has scaled one by one (of a single number
    it would leave nothing); heads share the width of a token. A table without categories is left to the perceptron.

    Args:
        layout: of the embedded row; every category ``d_token`` wide.
        d_token: width of an embedded category.
        n_blocks: transformer layers.
        n_heads: attention heads; must divide ``d_token``.
        d_hidden_factor: hidden width of the feed-forward parts, in ``d_token``.
        attention_dropout: dropout of the attention weights.
        ffn_dropout: dropout in the feed-forward parts.
        mlp_factors: widths of the layers of the perceptron, in widths of its input.

    Raises:
        ValueError: for an argument out of range.
        ConfigError: if the embedding of categories gives another width than ``d_token``; names the YAML keys.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_token: int = 32,
        n_blocks: int = 6,
        n_heads: int = 8,
        d_hidden_factor: int = 4,
        attention_dropout: float = 0.08,
        ffn_dropout: float = 0.3,
        mlp_factors: Sequence[int] = (4, 2),
    ) -> None:
        super().__init__()
        positive(d_token=d_token, n_blocks=n_blocks, n_heads=n_heads)
        fraction(attention_dropout=attention_dropout, ffn_dropout=ffn_dropout)
        if not mlp_factors or min(mlp_factors) < 1:
            raise ValueError(f"mlp_factors={list(mlp_factors)} is out of range: expected one or more, each >= 1")
        if any(width != d_token for width in layout.widths[layout.n_num :]):
            raise ConfigError(
                f"TabTransformer takes one token of width model.backbone.d_token={d_token} per category: set "
                "model.categorical.d_embedding to the same value, with CategoricalEmbedding"
            )
        self.d_token = d_token
        self.d_num = sum(layout.widths[: layout.n_num])
        n_tokens = layout.n_columns - layout.n_num
        self.layers = nn.Sequential(
            *(
                TransformerLayer(
                    d_token,
                    n_heads=n_heads,
                    d_hidden_factor=d_hidden_factor,
                    attention_dropout=attention_dropout,
                    ffn_dropout=ffn_dropout,
                )
                for _ in range(n_blocks if n_tokens else 0)
            )
        )
        widths = [layout.d_flat, *(factor * layout.d_flat for factor in mlp_factors)]
        self.d_out = widths[-1]
        self.mlp = nn.Sequential(
            *(part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU(inplace=True)))
        )

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, d_flat)`` to ``(B, 1, mlp_factors[-1] * d_flat)``."""
        if len(self.layers):
            tokens = self.layers(x[:, self.d_num :].unflatten(-1, (-1, self.d_token)))
            x = torch.cat([x[:, : self.d_num], tokens.flatten(1)], dim=-1)
        return self.mlp(x).unsqueeze(1), None

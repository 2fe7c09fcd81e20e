"""One-hot for columns of few levels, learned embeddings for those of many."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from colonnade.core.spec import BatchSpec
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.codes import N_RESERVED
from colonnade.nn.embed.onehot import OneHot


class MixedEmbedding(Embedding):
    """:class:`OneHot` for few levels and :class:`CategoricalEmbedding` for many, as in RealMLP (NeurIPS 2024).

    The one-hot columns come first.

    Args:
        spec: names the columns and tells their cardinalities.
        max_one_hot: a column of at most so many levels is one-hot encoded; missing and unknown do not count.
        d_embedding: width of the columns with more levels.
        unknown_rate, start, decay: of those, see :class:`~colonnade.nn.embed.categorical.CategoricalEmbedding`.

    Raises:
        ValueError: for an argument out of range.
    """

    few: Tensor
    many: Tensor

    def __init__(
        self,
        *,
        spec: BatchSpec,
        max_one_hot: int = 9,
        d_embedding: int = 8,
        unknown_rate: float = 0.01,
        start: str = "uniform",
        decay: bool = False,
    ) -> None:
        super().__init__()
        positive(d_embedding=d_embedding)
        fraction(unknown_rate=unknown_rate)
        one_of(("uniform", "normal"), start=start)
        if max_one_hot < 0:
            raise ValueError(f"max_one_hot={max_one_hot} is out of range: expected max_one_hot >= 0")
        few = [i for i, c in enumerate(spec.cardinalities) if c - N_RESERVED <= max_one_hot]
        many = [i for i, c in enumerate(spec.cardinalities) if c - N_RESERVED > max_one_hot]
        self.one_hot = OneHot(spec=_only(spec, few)) if few else None
        self.learned = (
            CategoricalEmbedding(
                spec=_only(spec, many), d_embedding=d_embedding, unknown_rate=unknown_rate, start=start, decay=decay
            )
            if many
            else None
        )
        parts = [part for part in (self.one_hot, self.learned) if part is not None]
        self.names = tuple(name for part in parts for name in part.names)
        self.widths = tuple(width for part in parts for width in part.widths)
        self.register_buffer("few", torch.tensor(few, dtype=torch.int64), persistent=False)
        self.register_buffer("many", torch.tensor(many, dtype=torch.int64), persistent=False)

    def forward(self, x: Int[Tensor, "*batch k"]) -> Float[Tensor, "*batch d"]:
        """``(*, K)`` int64 codes to ``(*, sum(widths))``."""
        if self.one_hot is None or self.learned is None:
            only = self.learned if self.one_hot is None else self.one_hot
            out: Tensor = only(x)  # type: ignore[misc]
            return out
        return torch.cat(
            [self.one_hot(x.index_select(-1, self.few)), self.learned(x.index_select(-1, self.many))], dim=-1
        )


def _only(spec: BatchSpec, columns: list[int]) -> BatchSpec:
    return replace(
        spec,
        cat_names=tuple(spec.cat_names[i] for i in columns),
        cardinalities=tuple(spec.cardinalities[i] for i in columns),
    )

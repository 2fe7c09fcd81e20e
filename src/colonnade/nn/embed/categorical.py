"""Learned embeddings of categories."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec
from colonnade.nn.checks import one_of, positive
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.codes import N_RESERVED, HideLevels, offsets
from colonnade.nn.embed.linear import uniform_table
from colonnade.nn.pace import Pace, Paced


class CategoricalEmbedding(Embedding, Paced):
    """A trained vector for each level; with ``bias``, the categorical tokens of FT-Transformer.

    One table holds the levels of all columns, so a batch is one look-up. The vectors of "missing" and "unknown"
    begin at zero,
    the middle of the others: where training never shows them, they add nothing.

    Args:
        spec: names the columns and tells their cardinalities.
        d_embedding: width of a column.
        bias: whether a trained vector of each column is added to its levels.
        unknown_rate: probability in training that a level is shown as unknown. The published packages have no
            unknown level.
        start: how the vectors begin: ``"uniform"`` within ``d_embedding ** -0.5``, or ``"normal"``, standard normal as
            in RealMLP.
        decay: whether ``optim.weight_decay`` shrinks the vectors, which it spares otherwise.

    Raises:
        ValueError: for an argument out of range.
    """

    offset: Tensor

    def __init__(
        self,
        *,
        spec: BatchSpec,
        d_embedding: int = 8,
        bias: bool = False,
        unknown_rate: float = 0.01,
        start: str = "uniform",
        decay: bool = False,
    ) -> None:
        super().__init__()
        positive(d_embedding=d_embedding)
        one_of(("uniform", "normal"), start=start)
        self.names = spec.cat_names
        self.widths = (d_embedding,) * spec.n_cat
        self.hide = HideLevels(unknown_rate)
        self.decay = decay
        self.table = uniform_table(sum(spec.cardinalities), d_embedding)
        if start == "normal":
            nn.init.normal_(self.table)
        self.bias = uniform_table(spec.n_cat, d_embedding) if bias else None
        self.register_buffer("offset", offsets(spec.cardinalities), persistent=False)
        with torch.no_grad():
            for reserved in range(N_RESERVED):
                self.table[self.offset + reserved] = 0.0

    def paces(self) -> dict[str, Pace]:
        """Whether the vectors decay."""
        return {"table": Pace()} if self.decay else {}

    def forward(self, x: Int[Tensor, "*batch k"]) -> Float[Tensor, "*batch kd"]:
        """``(*, K)`` int64 codes to ``(*, K * d_embedding)``."""
        x = self.hide(x)
        out = F.embedding(x + self.offset, self.table)
        return (out if self.bias is None else out + self.bias).flatten(-2)

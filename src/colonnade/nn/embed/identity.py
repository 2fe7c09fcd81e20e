"""Numbers as they are."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from colonnade.core.spec import BatchSpec
from colonnade.nn.embed.base import Embedding


class Identity(Embedding):
    """Hands each number on, one dimension a column.

    Args:
        spec: names the columns.
    """

    def __init__(self, *, spec: BatchSpec) -> None:
        super().__init__()
        self.names = spec.num_names
        self.widths = (1,) * spec.n_num

    def forward(self, x: Float[Tensor, "*batch f"]) -> Float[Tensor, "*batch f"]:
        """``(*, F)`` as it came."""
        return x

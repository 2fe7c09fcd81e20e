"""One-hot encoding of categories."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from colonnade.core.spec import BatchSpec
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.codes import MISSING, N_RESERVED, UNKNOWN, HideLevels, offsets

# Numbers in the matrix that takes each column as often as it has dimensions: a product takes them faster one by one.
_SMALL = 2**17


class OneHot(Embedding):
    """A dimension for each level and one for "missing"; an unknown level is all zeros.

    Args:
        spec: names the columns and tells their cardinalities.
        unknown_rate: probability in training that a level is shown as unknown.

    Raises:
        ValueError: for an argument out of range.
    """

    chosen: Tensor | None
    slot: Tensor
    offset: Tensor
    column: Tensor
    code: Tensor

    def __init__(self, *, spec: BatchSpec, unknown_rate: float = 0.0) -> None:
        super().__init__()
        self.names = spec.cat_names
        self.widths = tuple(c - 1 for c in spec.cardinalities)
        self.hide = HideLevels(unknown_rate)
        self.d = sum(self.widths)
        slots: list[int] = []
        begin = 0
        for cardinality in spec.cardinalities:
            # Unknown goes to one further dimension that is cut off.
            slots += [begin + MISSING, self.d, *range(begin + UNKNOWN, begin + UNKNOWN + cardinality - N_RESERVED)]
            begin += cardinality - 1
        # Of each dimension: its column, and the code that sets it.
        shown = [(i, code) for i, c in enumerate(spec.cardinalities) for code in range(c) if code != UNKNOWN]
        column, code = torch.tensor(shown, dtype=torch.int64).view(-1, 2).unbind(1)
        chosen = None
        if len(spec.cardinalities) * len(column) <= _SMALL:
            chosen = torch.nn.functional.one_hot(column, len(spec.cardinalities)).T.to(torch.float32)
        self.register_buffer("column", column, persistent=False)
        self.register_buffer("chosen", chosen, persistent=False)
        self.register_buffer("code", code, persistent=False)
        self.register_buffer("slot", torch.tensor(slots, dtype=torch.int64), persistent=False)
        self.register_buffer("offset", offsets(spec.cardinalities), persistent=False)

    def forward(self, x: Int[Tensor, "*batch k"]) -> Float[Tensor, "*batch d"]:
        """``(*, K)`` int64 codes to ``(*, sum(cardinality - 1))`` zeros and ones, in one scatter for all columns."""
        x = self.hide(x)
        if torch.compiler.is_exporting():
            # Slower by the operation, but a few instead of ten of them.
            if self.chosen is None:
                return (x.index_select(-1, self.column) == self.code).to(torch.float32)
            return (x.to(torch.float32) @ self.chosen == self.code.to(torch.float32)).to(torch.float32)
        # Not in place, which vmap could do for one member after the other only.
        slots = self.slot.index_select(0, (x + self.offset).flatten()).view(x.shape)
        out = torch.zeros((*x.shape[:-1], self.d + 1), device=x.device).scatter(-1, slots, 1.0)
        return out[..., : self.d]

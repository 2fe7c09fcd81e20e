"""MinGRU: a recurrence without the state in its gates, so that all steps are computed at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.pooling import POOLINGS, StepPool, turned
from colonnade.nn.blocks.recurrence import recurrence
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout


class MinGru(SequenceBackbone):
    """Blocks of a minimal gated recurrent unit and a feed-forward part, each with a norm before and added to what came
    in, and a pooling of the steps.

    Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, *Were RNNs All We Needed?*, arXiv:2410.01201, 2024: the state ``h`` is
    a moving mean ``(1 - z) h + z c`` whose rate ``z`` and value ``c`` depend on the step alone. What stands here is its
    vanilla form; a parallel scan (see :mod:`colonnade.nn.blocks.recurrence`) computes it exactly.

    Args:
        layout: of an embedded step.
        d_block: width of a step inside.
        n_blocks: blocks.
        d_state: width of the state of each direction.
        d_hidden: hidden width of the feed-forward parts.
        bidirectional: whether half of the state reads from the last valid step.
        dropout: dropout of what each part adds.
        pooling: see :class:`~colonnade.nn.blocks.pooling.StepPool`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        d_block: int = 128,
        n_blocks: int = 2,
        d_state: int = 128,
        d_hidden: int = 256,
        bidirectional: bool = True,
        dropout: float = 0.1,
        pooling: str = "attention",
    ) -> None:
        super().__init__()
        positive(d_block=d_block, n_blocks=n_blocks, d_state=d_state, d_hidden=d_hidden)
        fraction(dropout=dropout)
        one_of(POOLINGS, pooling=pooling)
        self.d_out = d_block
        self.project = nn.Linear(layout.d_flat, d_block)
        self.blocks = nn.ModuleList(
            Block(d_block, d_state=d_state, d_hidden=d_hidden, bidirectional=bidirectional, dropout=dropout)
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(d_block)
        self.pool = StepPool(d_block, pooling)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None
    ) -> tuple[Float[Tensor, "b 1 h"], None]:
        """``(B, T, d_flat)`` to ``(B, 1, d_block)``."""
        x = self.project(x)
        for block in self.blocks:
            x = block(x, mask)
        return self.pool(self.norm(x), mask).unsqueeze(1), None


class Block(nn.Module):
    """A recurrence and a feed-forward part.

    Args:
        d: width of a step.
        d_state, d_hidden, bidirectional, dropout: see :class:`MinGru`.
    """

    def __init__(self, d: int, *, d_state: int, d_hidden: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.units = nn.ModuleList(Unit(d, d_state, backward=back) for back in (False, True)[: 1 + bidirectional])
        self.unit_norm = nn.LayerNorm(d)
        self.mixed = nn.Linear(d_state * len(self.units), d)
        self.ffn_norm = nn.LayerNorm(d)
        self.input = nn.Linear(d, d_hidden)
        self.output = nn.Linear(d_hidden, d)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b t d"]:
        """``(B, T, d)`` to ``(B, T, d)``."""
        normed = self.unit_norm(x)
        states = [unit(normed, mask) for unit in self.units]
        x = x + self.dropout(self.mixed(torch.cat(states, dim=-1)))
        return x + self.dropout(self.output(F.gelu(self.input(self.ffn_norm(x)))))


class Unit(nn.Module):
    """The minimal gated recurrent unit; it begins with a state of zero.

    Args:
        d_in: width of a step.
        d_state: width of the state.
        backward: whether it reads from the last valid step to the first.
    """

    def __init__(self, d_in: int, d_state: int, *, backward: bool = False) -> None:
        super().__init__()
        self.backward = backward
        self.rate = nn.Linear(d_in, d_state)
        self.value = nn.Linear(d_in, d_state)

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None = None) -> Float[Tensor, "b t s"]:
        """``(B, T, d_in)`` to the state after each step, ``(B, T, d_state)``."""
        if self.backward:
            x = turned(x, mask)
        rate = self.rate(x)
        states = recurrence(torch.sigmoid(-rate), torch.sigmoid(rate) * self.value(x))
        return turned(states, mask) if self.backward else states

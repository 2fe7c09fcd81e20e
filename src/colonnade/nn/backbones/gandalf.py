"""GANDALF: gated units that choose columns stage by stage."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.t_softmax import t_of_sparsity, t_softmax
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


class Stage(nn.Module):
    """A gated recurrent unit that is shown a choice of the row and keeps its state as wide as the row.

    Args:
        d: width of the row.
        sparsity, learn_sparsity, dropout: see :class:`Gandalf`.
    """

    def __init__(self, d: int, *, sparsity: float, learn_sparsity: bool, dropout: float) -> None:
        super().__init__()
        shape = torch.empty(2).uniform_(0.5, 10.0)
        self.score = nn.Parameter(torch.distributions.Beta(shape[0], shape[1]).sample((d,)))
        self.t = nn.Parameter(t_of_sparsity(self.score.detach(), sparsity), requires_grad=learn_sparsity)
        self.gates = nn.Linear(2 * d, 2 * d)
        self.candidate = nn.Linear(2 * d, d)
        self.dropout = Dropout(dropout)

    def mask(self) -> Float[Tensor, " d"]:
        """Weights of the dimensions of the row, which sum to one."""
        return t_softmax(self.score, torch.relu(self.t))

    def forward(self, x: Float[Tensor, "b d"], state: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The row ``(B, d)`` and the state ``(B, d)`` to the next state."""
        update, reset = torch.sigmoid(self.gates(torch.cat([self.mask() * x, state], 1))).chunk(2, dim=1)
        candidate = torch.tanh(self.candidate(torch.cat([reset * state, x], 1)))
        return self.dropout(state + update * (candidate - state))


class Gandalf(Backbone):
    """Gated feature learning units in sequence, beginning from the row itself.

    Joseph and Raj, *GANDALF: Gated Adaptive Network for Deep Automated Learning of Features*, 2022 (arXiv:2207.08548),
    as in pytorch_tabular: numbers are batch-normalised first.

    Args:
        layout: of the embedded row.
        n_stages: units.
        dropout: dropout of the state after each unit.
        sparsity: share of the dimensions that each unit leaves out at first, in ``[0, 1)``.
        learn_sparsity: whether the thresholds behind that share are trained.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        n_stages: int = 6,
        dropout: float = 0.0,
        sparsity: float = 0.3,
        learn_sparsity: bool = True,
    ) -> None:
        super().__init__()
        positive(n_stages=n_stages)
        fraction(dropout=dropout, sparsity=sparsity)
        self.d_out = layout.d_flat
        self.d_num = sum(layout.widths[: layout.n_num])
        self.norm = nn.BatchNorm1d(self.d_num) if self.d_num else None
        self.stages = nn.ModuleList(
            Stage(layout.d_flat, sparsity=sparsity, learn_sparsity=learn_sparsity, dropout=dropout)
            for _ in range(n_stages)
        )

    def masks(self) -> Float[Tensor, "s d"]:
        """Where each stage looks: ``(n_stages, d_flat)``, each row summing to one."""
        return torch.stack([cast(Stage, stage).mask() for stage in self.stages])

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 d"], None]:
        """``(B, d_flat)`` to ``(B, 1, d_flat)``."""
        if self.norm is not None:
            x = torch.cat([self.norm(x[:, : self.d_num]), x[:, self.d_num :]], dim=1)
        state = x
        for stage in self.stages:
            state = stage(x, state)
        return state.unsqueeze(1), None

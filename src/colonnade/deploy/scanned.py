"""Scanned: layers of gated units as a loop over their steps, which a program of torch has for any number of them."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colonnade.deploy.recurrence import State, check_single
from colonnade.deploy.replaced import replaced
from colonnade.nn.blocks.loop import loop

M = TypeVar("M", bound=nn.Module)


class Scanned(nn.Module):
    """A layer, for a program alone: ``torch.export`` unrolls torch's own, and with that fixes the number of steps.

    Args:
        layer: of one direction, the batch first.

    Raises:
        ExportError: it is another.
    """

    weight: Tensor
    recurrent: Tensor
    bias: Tensor
    recurrent_bias: Tensor

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        check_single(layer)
        self.d = layer.hidden_size
        self.step = _lstm if isinstance(layer, nn.LSTM) else _gru
        names = ("weight", "recurrent", "bias", "recurrent_bias")
        for name, (_, values) in zip(names, layer.named_parameters(), strict=True):
            self.register_buffer(name, values.detach())

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``(B, T, d_in)`` and the state before, ``(1, B, d)``, of an LSTM two of them; to the states ``(B, T, d)``,
        and that behind the last step."""
        n = 2 if self.step is _lstm else 1
        if state is None:
            # Each in memory of its own, which the loop asks for.
            before = tuple(x.new_zeros(x.shape[0], self.d) for _ in range(n))
        else:
            before = tuple(part.squeeze(0) for part in ((state,) if isinstance(state, Tensor) else state))

        def one(carried: tuple[Tensor, ...], given: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            after = self.step(given, F.linear(carried[0], self.recurrent, self.recurrent_bias), *carried)
            return after, after[0].clone()

        last, states = loop(one, before, F.linear(x, self.weight, self.bias).transpose(0, 1))
        after = tuple(part.unsqueeze(0) for part in last)
        return states.transpose(0, 1), after[0] if n == 1 else (after[0], after[1])


def for_program(module: M) -> M:
    """The module, or, where it has recurrent layers, a copy in which these are loops."""
    return replaced(module, nn.RNNBase, Scanned)


def _gru(given: Tensor, recurrent: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
    """A step, as ``torch.nn.GRU`` writes it: gates ``r z n``."""
    (r, z, n), (r_before, z_before, n_before) = given.chunk(3, -1), recurrent.chunk(3, -1)
    z = torch.sigmoid(z + z_before)
    n = torch.tanh(n + torch.sigmoid(r + r_before) * n_before)
    return ((1 - z) * n + z * hidden,)


def _lstm(given: Tensor, recurrent: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, ...]:
    """A step, as ``torch.nn.LSTM`` writes it: gates ``i f g o``."""
    i, f, g, o = (given + recurrent).chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell

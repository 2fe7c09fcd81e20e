"""Heads: from the representation of each member to its raw output."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.errors import ConfigError
from colonnade.nn.blocks.ensemble import EnsembleLinear


class Head(nn.Module):
    """One linear layer, or one for each member of an ensemble.

    Args:
        d_in: width of a representation.
        n_members: members of the ensemble.
        out_shape: shape of the output of one member for one row, as the task asks.

    Raises:
        ConfigError: if ``out_shape`` is empty, that is, has not been set from the task.
    """

    def __init__(self, *, d_in: int, n_members: int, out_shape: tuple[int, ...]) -> None:
        super().__init__()
        if not out_shape or math.prod(out_shape) < 1:
            raise ConfigError(f"the output shape {out_shape} cannot be built: `task` must set spec.out_shape first")
        self.out_shape = tuple(out_shape)
        d_out = math.prod(out_shape)
        self.linear = nn.Linear(d_in, d_out) if n_members == 1 else EnsembleLinear(n_members, d_in, d_out)

    def forward(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b m *out"]:
        """``(B, members, d_in)`` to ``(B, members, *out_shape)``."""
        # A matrix times a matrix has one operator in a graph, and a block of them has two.
        out: Tensor = self.linear(x) if x.shape[1] > 1 else self.linear(x.squeeze(1)).unsqueeze(1)
        return out if len(self.out_shape) == 1 else out.unflatten(-1, self.out_shape)


class Given(nn.Module):
    """No head: the representation is the raw output already.

    Args:
        d_in: width of a representation.
        n_members: members of the ensemble.
        out_shape: shape of the output of one member for one row, as the task asks.

    Raises:
        ConfigError: the backbone gives another width than the task asks for.
    """

    def __init__(self, *, d_in: int, n_members: int, out_shape: tuple[int, ...]) -> None:
        super().__init__()
        if math.prod(out_shape) != d_in:
            raise ConfigError(
                f"model.backbone gives {d_in} outputs of its own where the task asks for {out_shape}: it does not "
                "learn the loss of this task; choose another model, or another task"
            )
        self.out_shape = tuple(out_shape)

    def forward(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b m *out"]:
        """``(B, members, d_in)`` to ``(B, members, *out_shape)``."""
        return x if len(self.out_shape) == 1 else x.unflatten(-1, self.out_shape)

"""Recurrence: layers of gated units as the operators that ONNX has for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.onnx
from torch import Tensor, nn

from colonnade.core.errors import ExportError
from colonnade.deploy.replaced import replaced
from colonnade.nn.backbones.recurrent import Recurrent

OPERATORS: dict[type[nn.RNNBase], tuple[str, tuple[int, ...]]] = {
    nn.GRU: ("GRU", (1, 0, 2)),
    nn.LSTM: ("LSTM", (0, 3, 1, 2)),
}
"""Operator, and places of the gates: torch has ``r z n`` and ``i f g o``, ONNX ``z r h`` and ``i o f c``."""
OPSET = 20

M = TypeVar("M", bound=nn.Module)
State = Tensor | tuple[Tensor, Tensor]


class Recurrence(nn.Module):
    """A layer, for an export alone: torch unrolls its own, and with that fixes the number of steps.

    Args:
        layer: of one direction, the batch first.
        back: the same, which reads from the last valid step to the first; None: there is none.

    Raises:
        ExportError: they are others.
    """

    weight: Tensor
    recurrent: Tensor
    bias: Tensor

    def __init__(self, layer: nn.RNNBase, back: nn.RNNBase | None = None) -> None:
        super().__init__()
        layers = [layer] if back is None else [layer, back]
        for one in layers:
            check_single(one)
        self.operator, places = OPERATORS[type(layer)]
        self.d, self.n = layer.hidden_size, len(layers)
        # As torch names them: of the input, of the state, and the biases of both.
        placed = [[_placed(values, places) for _, values in one.named_parameters()] for one in layers]
        self.register_buffer("weight", torch.stack([weight for weight, *_ in placed]))
        self.register_buffer("recurrent", torch.stack([recurrent for _, recurrent, *_ in placed]))
        self.register_buffer("bias", torch.stack([torch.cat(biases) for _, _, *biases in placed]))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``(B, T, d_in)`` and the state before, ``(1, B, d)``, of an LSTM two of them; to the states ``(B, T, d)``,
        and that behind the last step."""
        before = () if state is None else (state,) if isinstance(state, Tensor) else state
        states, *after = self._operator(x.transpose(0, 1), (None, *before) if before else ())
        return states.squeeze(1).transpose(0, 1), after[0] if len(after) == 1 else (after[0], after[1])

    def both(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """``(T, B, d_in)`` and the valid steps of each, ``(B,)`` int32, to the states ``(T, B, directions * d)``."""
        states = self._operator(x, () if lengths is None else (lengths,))[0]
        return states.transpose(1, 2).flatten(-2)

    def _operator(self, x: Tensor, further: tuple[Tensor | None, ...]) -> Sequence[Tensor]:
        last = (self.n, x.shape[1], self.d)
        n_last = 2 if self.operator == "LSTM" else 1
        attributes: dict[str, Any] = {"hidden_size": self.d}
        if self.operator == "GRU":
            attributes["linear_before_reset"] = 1
        if self.n > 1:
            attributes["direction"] = "bidirectional"
        return torch.onnx.ops.symbolic_multi_out(
            self.operator,
            (x, self.weight, self.recurrent, self.bias, *further),
            attributes,
            dtypes=[x.dtype] * (1 + n_last),
            shapes=[(x.shape[0], *last)] + [last] * n_last,
            version=OPSET,
        )


class BothWays(nn.Module):
    """A :class:`~colonnade.nn.backbones.recurrent.Recurrent` each of whose layers is one operator: as it knows the
    lengths, nothing has to be turned; steps come before the series until they are pooled.

    Args:
        part: of a copy, which loses its layers.

    Raises:
        ExportError: see :class:`Recurrence`.
    """

    def __init__(self, part: Recurrent) -> None:
        super().__init__()
        layers: list[Any] = list(zip(part.ahead, part.back)) if part.bidirectional else [(of,) for of in part.ahead]
        self.layers = nn.ModuleList(Recurrence(*of) for of in layers)
        part.ahead, part.back = nn.ModuleList(), nn.ModuleList()
        self.part = part

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """See :meth:`~colonnade.nn.backbones.recurrent.Recurrent.forward`."""
        lengths = None if mask is None else mask.sum(1).to(torch.int32)
        x = x.transpose(0, 1)
        for layer in self.layers:
            assert isinstance(layer, Recurrence)
            x = layer.both(x, lengths)
        return self.part.pooled(x.transpose(0, 1), mask).unsqueeze(1), None


def check_single(layer: nn.RNNBase) -> None:
    """Refuse what is not a single layer of one direction, the batch first.

    Raises:
        ExportError: it is so.
    """
    if layer.num_layers > 1 or layer.bidirectional or not layer.batch_first or layer.proj_size or not layer.bias:
        raise ExportError(
            f"export: {type(layer).__name__} of several layers or directions, with the steps first, with a projection "
            "or without a bias is not exported: build it of single layers"
        )


def with_operators(module: M) -> M:
    """The module, or, where it has recurrent layers, a copy in which these are operators."""
    return replaced(replaced(module, Recurrent, BothWays), nn.RNNBase, Recurrence)


def _placed(values: Tensor, places: tuple[int, ...]) -> Tensor:
    """Gates in the order of ONNX."""
    gates = values.detach().chunk(len(places))
    return torch.cat([gates[place] for place in places])

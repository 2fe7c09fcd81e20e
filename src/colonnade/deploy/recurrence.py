"""Recurrence: layers of gated units as the operators that ONNX has for them."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.onnx
from torch import Tensor, nn

from colonnade.core.errors import ExportError
from colonnade.deploy.replaced import replaced

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

    Raises:
        ExportError: it is another.
    """

    weight: Tensor
    recurrent: Tensor
    bias: Tensor

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        check_single(layer)
        self.operator, places = OPERATORS[type(layer)]
        self.d = layer.hidden_size
        # As torch names them: of the input, of the state, and the biases of both.
        weight, recurrent, *biases = (_placed(values, places) for _, values in layer.named_parameters())
        self.register_buffer("weight", weight[None])
        self.register_buffer("recurrent", recurrent[None])
        self.register_buffer("bias", torch.cat(biases)[None])

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``(B, T, d_in)`` and the state before, ``(1, B, d)``, of an LSTM two of them; to the states ``(B, T, d)``,
        and that behind the last step."""
        before = () if state is None else (state,) if isinstance(state, Tensor) else state
        last = (1, x.shape[0], self.d)
        n_last = 2 if self.operator == "LSTM" else 1
        states, *after = torch.onnx.ops.symbolic_multi_out(
            self.operator,
            # Lengths are not given.
            (x.transpose(0, 1), self.weight, self.recurrent, self.bias, *((None, *before) if before else ())),
            {"hidden_size": self.d, **({"linear_before_reset": 1} if self.operator == "GRU" else {})},
            dtypes=[x.dtype] * (1 + n_last),
            shapes=[(x.shape[1], 1, *last[1:])] + [last] * n_last,
            version=OPSET,
        )
        return states.squeeze(1).transpose(0, 1), after[0] if n_last == 1 else (after[0], after[1])


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


def for_export(module: M) -> M:
    """The module, or, where it has recurrent layers, a copy in which these are ready to be exported."""
    return replaced(module, nn.RNNBase, Recurrence)


def _placed(values: Tensor, places: tuple[int, ...]) -> Tensor:
    """Gates in the order of ONNX."""
    gates = values.detach().chunk(len(places))
    return torch.cat([gates[place] for place in places])

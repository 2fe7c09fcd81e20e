"""Chain: linear layers, activations and dropout of several members, whose backward pass is one node of the graph.

Of a small network, autograd's own nodes, one for each operation, take as long as half of the operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from colonnade.nn.blocks.dropout import Dropout
from colonnade.training.packed.draws import Drawn, Masks
from colonnade.training.packed.layers import MembersLinear
from colonnade.training.packed.products import product

# By class: the function, and its gradient from that of what it made and from its input, written over the first.
ACTIVATIONS: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    nn.ReLU: (torch.relu, lambda grad, x: torch.ops.aten.threshold_backward.grad_input(grad, x, 0, grad_input=grad)),
    nn.SiLU: (nn.functional.silu, lambda grad, x: torch.ops.aten.silu_backward.grad_input(grad, x, grad_input=grad)),
}


class MembersChain(nn.Sequential):
    """``nn.Sequential`` of linear layers, activations and dropout, the first of them linear, of each member.

    Args:
        layers: what :func:`chains` says yes to.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__(*layers)
        self.links = [layer for layer in layers if isinstance(layer, MembersLinear)]

    def forward(self, x: Tensor) -> Tensor:
        """``(members * rows, *, d_in)`` to ``(members * rows, *, d_out)``."""
        if not torch.is_grad_enabled():
            out: Tensor = super().forward(x)
            return out
        rows = x.reshape(len(self.links[0].weight), -1, x.shape[-1])
        tensors = [tensor for link in self.links for tensor in (link.weight, link.bias if link.biased else None)]
        found: Tensor = Chained.apply(list(self), rows, *tensors)
        return found.view(*x.shape[:-1], -1)


class Chained(Function):
    """``(members, rows, d_in)`` to ``(members, rows, d_out)``."""

    @staticmethod
    def forward(ctx: Any, layers: list[nn.Module], x: Tensor, *tensors: Tensor | None) -> Tensor:
        """``tensors``: weight and bias of each linear layer."""
        given = iter(tensors)
        kept: list[tuple[nn.Module, Tensor, Tensor | None]] = []
        for layer in layers:
            if isinstance(layer, MembersLinear):
                weight, bias = next(given), next(given)
                assert weight is not None
                kept.append((layer, x, weight))
                x = product(x, weight.mT, bias)
            elif isinstance(layer, Drawn):
                mask = layer.take().reshape(x.shape)
                kept.append((layer, mask, None))
                # In place: nobody else reads what the layer before it made.
                x = x.mul_(mask)
            elif type(layer) in ACTIVATIONS:
                kept.append((layer, x, None))
                x = ACTIVATIONS[type(layer)][0](x)
        ctx.kept = kept
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Of the rows, where they need one, and of each tensor."""
        grad: Tensor | None = grads[0]
        # Whether nobody else holds it.
        own = False
        found: list[Tensor | None] = []
        for place, (layer, saved, weight) in reversed(list(enumerate(ctx.kept))):
            assert grad is not None
            if isinstance(layer, MembersLinear):
                assert weight is not None
                found += [grad.sum(1) if layer.biased else None, product(grad.mT, saved)]
                grad = product(grad, weight) if place or ctx.needs_input_grad[1] else None
            elif isinstance(layer, Drawn):
                grad = grad.mul_(saved) if own else grad * saved
            else:
                grad = ACTIVATIONS[type(layer)][1](grad if own else grad.clone(), saved)
            own = True
        return (None, grad, *reversed(found))


def chains(layers: nn.Sequential) -> bool:
    """Whether a sequence of forms can be a chain."""
    return (
        type(layers) is nn.Sequential
        and len(layers) > 0
        and isinstance(layers[0], MembersLinear)
        and all(_links(layer) for layer in layers)
    )


def _links(layer: nn.Module) -> bool:
    if isinstance(layer, Drawn):
        return isinstance(layer.kind, Masks)
    return isinstance(layer, MembersLinear | Dropout) or type(layer) in ACTIVATIONS

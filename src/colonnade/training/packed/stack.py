"""Stack: the weights of several networks as one tensor each, of which every network's own are views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from colonnade.core.errors import ConfigError
from colonnade.training.average import WeightAverage
from colonnade.training.packed.draws import kind_of

# What torch's optimizers keep of a parameter, beside the number of steps, by their class.
STATE: dict[type[Optimizer], tuple[str, ...]] = {
    AdamW: ("exp_avg", "exp_avg_sq"),
    Adam: ("exp_avg", "exp_avg_sq"),
    SGD: ("momentum_buffer",),
}
# What of a group decides an update.
SETTINGS = ("lr", "weight_decay", "betas", "eps", "momentum", "nesterov")


@dataclass(frozen=True)
class Part:
    """What a member brings to a stack.

    Args:
        network: its network, on the device where it trains.
        optimizer: of the network; its settings are followed, its state is kept up to date, its ``step`` is not called.
        average: of the weights; None: there is none.
    """

    network: nn.Module
    optimizer: Optimizer
    average: WeightAverage | None = None


@dataclass
class Slice:
    """Neighbouring members of a stack, as views.

    Args:
        weights: ``(members, *shape)`` of each parameter, leaves of a graph of their own.
        buffers: of each buffer.
        moments: by the name of what the optimizer keeps, of each parameter.
        average: of each parameter of the averages; empty where there are none.
        steps: ``(members, parameters)`` steps taken, the same for all parameters, of which torch keeps one each.
        indices: of the parameters in each group of the optimizer.
    """

    weights: list[Tensor]
    buffers: list[Tensor]
    moments: dict[str, list[Tensor]]
    average: list[Tensor]
    steps: Tensor
    indices: list[list[int]]


class Stack:
    """Networks of one architecture with their optimizers and averages.

    The tensors of each network become views into those of the stack: whoever looks at a network, to measure it or to
    keep its weights, sees what the stack was trained to, and nothing is ever copied back.

    Args:
        parts: of the members, in the order of the first dimension.

    Raises:
        ConfigError: see :func:`difference`.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        for part in parts[1:]:
            found = difference(parts[0], part)
            if found is not None:
                raise ConfigError(f"packed: {found}: what differs is trained apart")
        self.parts = list(parts)
        networks = [part.network for part in parts]
        self.names = [name for name, _ in networks[0].named_parameters()]
        self.buffer_names = [name for name, _ in stored_buffers(networks[0])]
        self._slices: dict[tuple[int, int], Slice] = {}
        with torch.no_grad():
            # The state first: it is found by the parameters, which stay the same objects.
            self.steps = self._stack_state()
            self.weights = [_adopt([list(n.parameters())[i] for n in networks]) for i in range(len(self.names))]
            self.buffers = [_adopt_buffers(networks, name) for name in self.buffer_names]
            self.average = self._stack_averages()

    def slice(self, start: int, stop: int) -> Slice:
        """Members ``start`` to ``stop``."""
        if (start, stop) not in self._slices:
            self._slices[start, stop] = Slice(
                weights=[w.detach()[start:stop].requires_grad_(w.is_floating_point()) for w in self.weights],
                buffers=[b[start:stop] for b in self.buffers],
                moments={name: [m[start:stop] for m in found] for name, found in self.moments.items()},
                average=[a[start:stop] for a in self.average],
                steps=self.steps[start:stop],
                indices=self.groups,
            )
        return self._slices[start, stop]

    def _stack_state(self) -> Tensor:
        """Stack what the optimizers keep, where a resumed training brought some; the steps taken."""
        optimizers = [part.optimizer for part in self.parts]
        kept = STATE[type(optimizers[0])]
        if isinstance(optimizers[0], SGD) and not optimizers[0].param_groups[0]["momentum"]:
            kept = ()
        places = {id(p): i for i, p in enumerate(self.parts[0].network.parameters())}
        self.groups = [[places[id(p)] for p in group["params"]] for group in optimizers[0].param_groups]
        parameters = [list(part.network.parameters()) for part in self.parts]
        first = [_taken(o, found) for o, found in zip(optimizers, parameters)]
        steps = torch.tensor(first, dtype=torch.float32, device=parameters[0][0].device)
        steps = steps[:, None].repeat(1, len(parameters[0]))
        self.moments: dict[str, list[Tensor]] = {name: [] for name in kept}
        for i in range(len(parameters[0])):
            for name in kept:
                own = [o.state[found[i]].get(name) for o, found in zip(optimizers, parameters)]
                zero = torch.zeros_like(parameters[0][i])
                self.moments[name].append(torch.stack([zero if m is None else m for m in own]))
            for k, (optimizer, found) in enumerate(zip(optimizers, parameters)):
                state = optimizer.state[found[i]]
                state.update({name: self.moments[name][i][k] for name in kept})
                state["step"] = steps[k, i]
        return steps

    def _stack_averages(self) -> list[Tensor]:
        averages = [part.average for part in self.parts if part.average is not None]
        if not averages:
            return []
        for average in averages:
            # It has gathered the tensors that it had before.
            average.forget()
        own = [list(average.module.parameters()) for average in averages]
        return [_adopt([found[i] for found in own]) for i in range(len(self.names))]


def stored_buffers(network: nn.Module) -> list[tuple[str, Tensor]]:
    """Buffers that belong to the state of a network; the others follow from its architecture alone."""
    stored = network.state_dict().keys()
    return [(name, buffer) for name, buffer in network.named_buffers() if name in stored]


def settings_of(part: Part) -> tuple[Any, ...]:
    """What decides the next update of a member, apart from its gradients."""
    groups = tuple(tuple(group.get(key) for key in SETTINGS) for group in part.optimizer.param_groups)
    return (groups, None if part.average is None else (type(part.average), part.average.setting))


def difference(one: Part, other: Part) -> str | None:
    """Why two members cannot be stacked, in words; None: they can."""
    shapes, found = ({n: tuple(t.shape) for n, t in part.network.state_dict().items()} for part in (one, other))
    for name in (*shapes, *found):
        if shapes.get(name) != found.get(name):
            return f"'{name}' of the network has the shape {shapes.get(name)} in one and {found.get(name)} in another"
    fixed = dict(other.network.named_buffers())
    for name, buffer in one.network.named_buffers():
        random = kind_of(one.network.get_submodule(name.rpartition(".")[0])) is not None
        if name not in shapes and not random and not torch.equal(buffer, fixed[name]):
            return f"'{name}' of the network differs, which follows from the encoded columns"
    if type(one.optimizer) is not type(other.optimizer):
        return "optim.name differs"
    sizes = [[len(group["params"]) for group in part.optimizer.param_groups] for part in (one, other)]
    if sizes[0] != sizes[1]:
        return "optim.lr_factors, or a weight decay of 0, divide the parameters differently"
    if (one.average is None) != (other.average is None):
        return "module.ema or module.swa averages the weights of one and not of another"
    return None


def _taken(optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> float:
    """Steps that an optimizer has taken."""
    step = optimizer.state[parameters[0]].get("step", 0.0)
    return float(step)


def _adopt(own: Sequence[Tensor]) -> Tensor:
    """The tensors stacked; each becomes a view."""
    stacked = torch.stack([t.detach() for t in own])
    for t, view in zip(own, stacked):
        t.data = view
    return stacked


def _adopt_buffers(networks: Sequence[nn.Module], name: str) -> Tensor:
    parent, _, leaf = name.rpartition(".")
    owners = [network.get_submodule(parent) for network in networks]
    stacked = torch.stack([owner.get_buffer(leaf) for owner in owners])
    for owner, view in zip(owners, stacked):
        setattr(owner, leaf, view)
    return stacked

"""Draws: what is random in a network, drawn for each member from its own stream and handed to the batched network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.embed.codes import N_RESERVED, UNKNOWN, HideLevels


@dataclass(frozen=True)
class Call:
    """One turn of a random module in a forward pass.

    Args:
        name: of the module in the network.
        neutral: what the module is given to learn what it would do: of a member, without the members' dimension.
    """

    name: str
    neutral: Tensor


def _multiplied(x: Tensor, drawn: Tensor) -> Tensor:
    return x * drawn


def _hidden(x: Tensor, drawn: Tensor) -> Tensor:
    return x.masked_fill((drawn == UNKNOWN) & (x >= N_RESERVED), UNKNOWN)


# What is random in networks: the input upon which it shows what it drew, and how that is applied to another input.
RANDOM: dict[type[nn.Module], tuple[float | int, Callable[[Tensor, Tensor], Tensor]]] = {
    Dropout: (1.0, _multiplied),
    HideLevels: (N_RESERVED, _hidden),
}


class Drawn(nn.Module):
    """Stands where a random module stood, and applies what was drawn before."""

    def __init__(self, name: str, kind: type[nn.Module], draws: Draws) -> None:
        super().__init__()
        self.name = name
        self.neutral, self.apply_drawn = RANDOM[kind]
        # In a tuple, so that it is no submodule's business.
        self._draws = (draws,)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` as the member's own module would change it."""
        return self._draws[0].turn(self, x)


def _draws(module: nn.Module) -> bool:
    return isinstance(module, Dropout | HideLevels) and module.rate > 0


class Draws:
    """A copy of a network whose random modules take what they are given.

    A member's numbers come from its own random modules, called in the order of a forward pass on an input that shows
    what they draw, upon the seed of its own step: the numbers are those of a training by itself, whatever the device.

    Args:
        networks: of the members; the first is copied.

    Attributes:
        template: the copy.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.template = deepcopy(networks[0]).train()
        self._given: Iterator[Tensor] | None = None
        self._seen: list[Call] = []
        for name, module in list(self.template.named_modules()):
            kind = next((kind for kind in RANDOM if isinstance(module, kind)), None)
            if kind is not None and any(_draws(network.get_submodule(name)) for network in networks):
                parent, _, leaf = name.rpartition(".")
                setattr(self.template.get_submodule(parent), leaf, Drawn(name, kind, self))

    def calls(self, batch: Batch) -> list[Call]:
        """The turns of random modules in a forward pass of a member's rows."""
        self._seen, self._given = [], None
        with torch.no_grad():
            self.template(batch)
        return self._seen

    def give(self, drawn: Sequence[Tensor]) -> None:
        """What the next forward pass shall take."""
        self._given = iter(drawn)

    @staticmethod
    def of(network: nn.Module, calls: Sequence[Call]) -> list[Tensor]:
        """What the random modules of a member draw in one forward pass, from torch's default generators."""
        return [network.get_submodule(call.name)(call.neutral) for call in calls]

    def turn(self, module: Drawn, x: Tensor) -> Tensor:
        """A turn of one of the modules."""
        if self._given is None:
            self._seen.append(Call(module.name, torch.full_like(x, module.neutral)))
            return x
        return module.apply_drawn(x, next(self._given))

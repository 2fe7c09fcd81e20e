"""Draws: what is random in a network, drawn for each member from its own stream and handed to the batched network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.nn.blocks.dropout import Dropout, draw_words, mask_of, n_words
from colonnade.nn.embed.codes import N_RESERVED, UNKNOWN, HideLevels


@dataclass(frozen=True)
class Call:
    """One turn of a random module in a forward pass.

    Args:
        name: of the module in the network.
        shape: of what a member gives it.
        dtype: likewise.
    """

    name: str
    shape: torch.Size
    dtype: torch.dtype


class Kind(ABC):
    """How a kind of random module draws: numbers as its own ``forward`` takes them from torch's default generator, into
    a row for each member, and then what these mean to all members at once."""

    neutral: float | int
    """Input upon which a module shows what it drew."""

    @abstractmethod
    def empty(self, members: int, calls: Sequence[Call]) -> Tensor:
        """Room for the random numbers of neighbouring calls, a row for each member, on a processor."""

    @abstractmethod
    def draw(self, modules: Sequence[Any], calls: Sequence[Call], row: Tensor) -> None:
        """Fill the room of a member; nothing is drawn where a rate is zero."""

    @abstractmethod
    def meant(self, modules: Sequence[Sequence[Any]], calls: Sequence[Call], numbers: Tensor) -> list[Tensor]:
        """``(members, *shape)`` for each call: what :meth:`apply` takes, from the numbers.

        Args:
            modules: of each member, those of the calls.
            calls: see :meth:`empty`.
            numbers: all rows, full.
        """

    @abstractmethod
    def elsewhere(self, module: Any, neutral: Tensor) -> Tensor:
        """The same of one member on another device, whose kernels draw in an order of their own.

        Args:
            module: the member's.
            neutral: input of the shape and kind that it is given, full of :attr:`neutral`.
        """

    @abstractmethod
    def apply(self, x: Tensor, drawn: Tensor) -> Tensor:
        """What the module makes of its input."""


class Masks(Kind):
    """Of :class:`~colonnade.nn.blocks.dropout.Dropout`: a mask to multiply with."""

    neutral = 1.0

    def empty(self, members: int, calls: Sequence[Call]) -> Tensor:
        """Words."""
        return torch.empty(members, sum(_words(call) for call in calls), dtype=torch.int64)

    def draw(self, modules: Sequence[Dropout], calls: Sequence[Call], row: Tensor) -> None:
        """Words, which come one by one: one call gives those of several modules. Zeros are below every threshold."""
        if all(module.rate > 0 for module in modules):
            draw_words(row)
            return
        for module, words in zip(modules, row.split([_words(call) for call in calls])):
            if module.rate > 0:
                draw_words(words)
            else:
                words.zero_()

    def meant(self, modules: Sequence[Sequence[Dropout]], calls: Sequence[Call], numbers: Tensor) -> list[Tensor]:
        """One comparison for all, where they have one rate."""
        bits = numbers.view(torch.int16)
        widths = [4 * _words(call) for call in calls]
        first = modules[0][0]
        if first.rate > 0 and all(each.rate == first.rate for own in modules for each in own):
            # Numbers are compared faster than tensors of them are made.
            masks = mask_of(bits, first.threshold, first.scale, calls[0].dtype).split(widths, 1)
        else:
            masks = tuple(map(self._each, zip(*modules), calls, bits.split(widths, 1)))
        return [mask[:, : call.shape.numel()].unflatten(1, call.shape) for mask, call in zip(masks, calls)]

    def _each(self, modules: Sequence[Dropout], call: Call, bits: Tensor) -> Tensor:
        """The masks of a call, at a rate for each member."""
        threshold = torch.tensor([[module.threshold] for module in modules], dtype=torch.int16)
        scale = torch.tensor([[module.scale if module.rate > 0 else 1.0] for module in modules], dtype=call.dtype)
        return mask_of(bits, threshold, scale, call.dtype)

    def elsewhere(self, module: Dropout, neutral: Tensor) -> Tensor:
        """What the member's own module makes of ones."""
        output: Tensor = module(neutral)
        return output

    def apply(self, x: Tensor, drawn: Tensor) -> Tensor:
        """The product."""
        return (x.reshape(drawn.shape) * drawn).view(x.shape)


class Hidden(Kind):
    """Of :class:`~colonnade.nn.embed.codes.HideLevels`: which levels are hidden."""

    neutral = N_RESERVED

    def empty(self, members: int, calls: Sequence[Call]) -> Tensor:
        """Uniform numbers."""
        return torch.empty(members, sum(call.shape.numel() for call in calls))

    def draw(self, modules: Sequence[HideLevels], calls: Sequence[Call], row: Tensor) -> None:
        """Uniform numbers; ones are below no rate."""
        for module, numbers in zip(modules, row.split([call.shape.numel() for call in calls])):
            if module.rate > 0:
                numbers.uniform_()
            else:
                numbers.fill_(1.0)

    def meant(self, modules: Sequence[Sequence[HideLevels]], calls: Sequence[Call], numbers: Tensor) -> list[Tensor]:
        """A comparison for all members."""
        found = []
        for own, call, each in zip(zip(*modules), calls, numbers.split([call.shape.numel() for call in calls], 1)):
            rates = torch.tensor([module.rate for module in own]).view(-1, 1)
            found.append((each < rates).unflatten(1, call.shape))
        return found

    def elsewhere(self, module: HideLevels, neutral: Tensor) -> Tensor:
        """Where the member's own module would hide a known level; nothing is drawn at rate zero."""
        if module.rate == 0:
            return torch.zeros_like(neutral, dtype=torch.bool)
        return torch.rand(neutral.shape, device=neutral.device) < module.rate

    def apply(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Hide known levels; missing stays missing."""
        return x.masked_fill(drawn.reshape(x.shape) & (x >= N_RESERVED), UNKNOWN)


def _words(call: Call) -> int:
    return n_words(call.shape.numel())


# What is random in networks.
RANDOM: dict[type[nn.Module], Kind] = {Dropout: Masks(), HideLevels: Hidden()}


def kind_of(module: nn.Module) -> Kind | None:
    """How a module draws; None: nothing in it is random."""
    return next((kind for of, kind in RANDOM.items() if isinstance(module, of)), None)


class Drawn(nn.Module):
    """Stands where a random module stood, and applies what was drawn before."""

    def __init__(self, name: str, kind: Kind, draws: Draws) -> None:
        super().__init__()
        self.name = name
        self.kind = kind
        # In a tuple, so that it is no submodule's business.
        self._draws = (draws,)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` as the member's own module would change it."""
        return self._draws[0].turn(self, x)

    def take(self) -> Tensor:
        """What it would apply, ``(members, rows, *)``."""
        return self._draws[0].next()


class Draws:
    """A copy of a network whose random modules take what they are given.

    A member's numbers come from torch's default generators in the order of its forward pass, upon the seed of its own
    step: they are those of a training by itself. On a processor they are drawn into one tensor for all members;
    elsewhere a member's own modules are called, on an input that shows what they draw.

    Args:
        networks: of the members; the first is copied.

    Attributes:
        template: the copy.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.template = deepcopy(networks[0]).train()
        self._given: Iterator[Tensor] | None = None
        self._seen: list[Call] = []
        self._neutrals: dict[tuple[float, torch.Size, torch.dtype], Tensor] = {}
        self._kinds: dict[str, Kind] = {}
        for name, module in list(self.template.named_modules()):
            kind = kind_of(module)
            own = [network.get_submodule(name) for network in networks]
            if kind is not None and any(one.rate > 0 for one in own):  # type: ignore[operator]
                self._kinds[name] = kind
                parent, _, leaf = name.rpartition(".")
                setattr(self.template.get_submodule(parent), leaf, Drawn(name, kind, self))
        self._modules = {network: {n: network.get_submodule(n) for n in self._kinds} for network in networks}

    def calls(self, batch: Batch) -> list[Call]:
        """The turns of random modules in a forward pass of a member's rows."""
        self._seen, self._given = [], None
        with torch.no_grad():
            self.template(batch)
        return self._seen

    def give(self, drawn: Sequence[Tensor]) -> None:
        """What the next forward pass shall take."""
        self._given = iter(drawn)

    def of(self, networks: Sequence[nn.Module], calls: Sequence[Call], seeded: Iterator[torch.device]) -> list[Tensor]:
        """What is random in a forward pass of each member, ``(members, *shape)`` for each call.

        Args:
            networks: of the members.
            calls: see :meth:`calls`.
            seeded: seeds torch for one member after the other, and gives the device of each.
        """
        modules = [[self._modules[network][call.name] for call in calls] for network in networks]
        runs = self._runs(calls)
        rooms = [self._kinds[calls[run.start].name].empty(len(networks), calls[run]) for run in runs]
        elsewhere: list[list[Tensor]] = []
        for own, device, *rows in zip(modules, seeded, *rooms):
            if device.type == "cpu":
                for run, row in zip(runs, rows):
                    self._kinds[calls[run.start].name].draw(own[run], calls[run], row)
            else:
                shown = [(self._kinds[call.name], self._neutral(call, device)) for call in calls]
                elsewhere.append([kind.elsewhere(module, x) for (kind, x), module in zip(shown, own)])
        if elsewhere:
            return [torch.stack(each) for each in zip(*elsewhere)]
        found: list[Tensor] = []
        for run, room in zip(runs, rooms):
            found += self._kinds[calls[run.start].name].meant([own[run] for own in modules], calls[run], room)
        return found

    def _runs(self, calls: Sequence[Call]) -> list[slice]:
        """Neighbouring calls of one kind."""
        sizes = [len(list(run)) for _, run in groupby(calls, lambda call: (self._kinds[call.name], call.dtype))]
        return [slice(last - size, last) for size, last in zip(sizes, accumulate(sizes))]

    def _neutral(self, call: Call, device: torch.device) -> Tensor:
        """Made once: a GPU waits for each call."""
        key = (self._kinds[call.name].neutral, call.shape, call.dtype)
        if key not in self._neutrals:
            self._neutrals[key] = torch.full(call.shape, key[0], dtype=call.dtype, device=device)
        return self._neutrals[key]

    def turn(self, module: Drawn, x: Tensor) -> Tensor:
        """A turn of one of the modules."""
        if self._given is None:
            self._seen.append(Call(module.name, x.shape, x.dtype))
            return x
        return module.kind.apply(x, next(self._given))

    def next(self) -> Tensor:
        """What the next turn would apply, of all members."""
        assert self._given is not None
        return next(self._given)

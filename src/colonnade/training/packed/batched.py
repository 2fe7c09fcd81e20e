"""BatchedNetwork: forward and backward passes of neighbouring members at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.nn.network import Network
from colonnade.tasks.base import Task
from colonnade.training.packed.draws import Call, Draws
from colonnade.training.packed.forms import embeds_alike, give_forms, takes_rows_of_all
from colonnade.training.packed.stack import Slice, stored_buffers

# Bytes of the largest output of a layer that a processor keeps near enough, of all members together.
CACHED = 2**20


@dataclass(frozen=True)
class Plan:
    """What a forward pass is.

    Args:
        calls: what is random in it, of a member.
        members: how many go through it together at most: on a processor, as many as its cache holds. What leaves it
            between two layers costs more than is gained by fewer calls.
    """

    calls: list[Call]
    members: int


class BatchedNetwork:
    """One network called with the weights of several members, each on its own rows.

    A network of linear layers, and of what treats each row by itself, takes the rows of all members as one batch, and
    its layers know whose they are: :mod:`~colonnade.training.packed.forms`. ``torch.func.vmap`` batches whatever else a
    network is made of, at some cost for each operation.

    Args:
        networks: of all members that will be trained.
        tasks: theirs.

    Attributes:
        at_once: whether the network takes the rows of all members as one batch.
        embeds_alike: whether a member embeds a row alike at all steps.
    """

    def __init__(self, networks: Sequence[nn.Module], tasks: Sequence[Task]) -> None:
        self.at_once = all(takes_rows_of_all(network) for network in networks)
        self.draws = Draws(networks)
        self.tasks = tasks
        template = self.draws.template
        self.embeds_alike = self.at_once and isinstance(template, Network) and embeds_alike(template)
        self._evaluated = deepcopy(networks[0]).requires_grad_(False).eval()
        if self.at_once:
            for each in (template, self._evaluated):
                give_forms(each)
                each.train(each is template)
        names = [name for name, _ in networks[0].named_parameters()]
        names += [name for name, _ in stored_buffers(networks[0])]
        self._places = {each: _places(each, names) for each in (template, self._evaluated)}
        self._plans: dict[int, Plan] = {}
        self._one_loss: bool | None = None

    def take_embedded(self) -> None:
        """From now on batches hold rows as the network of their member embeds them, in the place of numbers."""
        for network in (self.draws.template, self._evaluated):
            network.numerical, network.categorical = nn.Identity(), None  # type: ignore[assignment]

    def plan(self, part: Slice, batch: Batch) -> Plan:
        """What a forward pass of a member's batch is.

        Args:
            part: members, any of them.
            batch: of as many rows as theirs.
        """
        if len(batch) not in self._plans:
            sizes: list[int] = []

            def note(module: nn.Module, given: object, output: object) -> None:
                if isinstance(output, Tensor):
                    sizes.append(output.numel())

            hooks = [module.register_forward_hook(note) for module in self.draws.template.modules()]
            # Forms have no weights of their own; the rest of a template has, and running means that nobody reads.
            # Those of the members stay as they are.
            one = [*(w[:1] for w in part.weights), *(b[:1].clone() for b in part.buffers)]
            with self._with(self.draws.template, one) if self.at_once else nullcontext():
                calls = self.draws.calls(batch)
            for hook in hooks:
                hook.remove()
            most = max(1, CACHED // (4 * max(sizes))) if batch.num.is_cpu else sys.maxsize
            self._plans[len(batch)] = Plan(calls, most)
        return self._plans[len(batch)]

    def gradients(
        self,
        part: Slice,
        tasks: Sequence[Task],
        batches: Sequence[Batch],
        shares: Sequence[Tensor],
        drawn: list[Tensor],
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Losses ``(members,)`` and the gradients ``(members, *shape)`` of each parameter; None where it has none.

        Args:
            part: the members.
            tasks: theirs.
            batches: of as many rows each.
            shares: what the loss of each row is multiplied by.
            drawn: ``(members, *)``, what is random in the forward pass, in the order of the calls of :meth:`plan`.

        Raises:
            ConfigError: the network does what cannot be batched.
        """
        raw, penalty = (self._rows_of_all if self.at_once else self._mapped)(part, batches, drawn)
        losses = self._losses(raw.float(), tasks, batches, shares)
        if penalty is not None:
            losses = losses + penalty
        found = torch.autograd.grad(losses.sum(), part.weights, allow_unused=True)
        # The kernels of optimizers go through weights and gradients in the order of memory.
        return losses.detach(), [None if g is None else g.contiguous() for g in found]

    def evaluate(self, part: Slice, batches: Sequence[Batch]) -> Tensor:
        """Raw outputs ``(members, rows, ...)`` of the networks that are evaluated, as many rows at a time as the cache
        holds; of networks that take the rows of all at once.

        Args:
            part: the members.
            batches: of as many rows each.
        """
        rows = len(batches[0])
        most = min(self.plan(part, batches[0]).members, len(batches))
        at_a_time = max(1, rows * most // len(batches))
        tensors = [*(part.average or part.weights), *part.buffers]
        with torch.inference_mode(), self._with(self._evaluated, tensors):
            pieces = zip(*(batch.split(at_a_time) for batch in batches))
            raws = [self._evaluated(_joined(of_all)).raw.float() for of_all in pieces]
            return torch.cat([raw.unflatten(0, (len(batches), -1)) for raw in raws], 1)

    def _rows_of_all(self, part: Slice, batches: Sequence[Batch], drawn: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Raw outputs ``(members, rows, ...)`` of one long batch."""
        rows = _joined(batches)
        self.draws.give(drawn)
        with self._with(self.draws.template, [*part.weights, *part.buffers]):
            return self.draws.template(rows).raw.unflatten(0, (len(batches), -1)), None

    def _mapped(self, part: Slice, batches: Sequence[Batch], drawn: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Raw outputs ``(members, rows, ...)`` and penalties ``(members,)``, as vmap finds them."""
        num, cat = torch.stack([b.num for b in batches]), torch.stack([b.cat for b in batches])
        try:
            found: tuple[Tensor, Tensor] = vmap(self._forward)([*part.weights, *part.buffers], num, cat, drawn)
        except RuntimeError as error:
            if "vmap" not in str(error):
                raise
            why = str(error).splitlines()[0]
            raise ConfigError(f"packed: this model cannot be trained in a pack ({why}); train it by itself") from error
        return found

    def _forward(self, tensors: list[Tensor], num: Tensor, cat: Tensor, drawn: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Raw outputs and penalty of one member, as vmap sees it."""
        self.draws.give(drawn)
        with self._with(self.draws.template, tensors):
            output = self.draws.template(Batch(num=num, cat=cat))
        penalty = output.raw.new_zeros(()) if output.penalty is None else output.penalty
        return output.raw, penalty

    @contextmanager
    def _with(self, network: nn.Module, tensors: Sequence[Tensor]) -> Iterator[None]:
        """One of the two copies with other weights and buffers, which hide its own.

        What ``torch.func.functional_call`` does takes as long as the network where that is small.
        """
        places = self._places[network]
        for (holder, leaf), tensor in zip(places, tensors):
            holder[leaf] = tensor
        try:
            yield
        finally:
            for (holder, leaf), _ in zip(places, tensors):
                del holder[leaf]

    def _losses(self, raw: Tensor, tasks: Sequence[Task], batches: Sequence[Batch], shares: Sequence[Tensor]) -> Tensor:
        """The loss of each member ``(members,)``."""
        targets = [b.target for b in batches if b.target is not None]
        if self._one_loss is None:
            # Classes may weigh differently in each fold.
            probe = [task.row_loss(raw[0].detach(), targets[0]) for task in self.tasks]
            self._one_loss = all(torch.equal(found, probe[0]) for found in probe)
        if self._one_loss:
            rows = tasks[0].row_loss(raw.flatten(0, 1), torch.cat(targets)).view(raw.shape[:2])
        else:
            rows = torch.stack([task.row_loss(one, target) for task, one, target in zip(tasks, raw, targets)])
        return (rows * torch.stack(list(shares))).sum(1)


def _places(network: nn.Module, names: Sequence[str]) -> list[tuple[dict[str, Any], str]]:
    """Where the tensors of these names are looked for first, and by which name."""
    parted = [name.rpartition(".") for name in names]
    return [(vars(network.get_submodule(parent)), leaf) for parent, _, leaf in parted]


def _joined(batches: Sequence[Batch]) -> Batch:
    """What a network sees of several batches, one after the other."""
    return Batch(num=torch.cat([b.num for b in batches]), cat=torch.cat([b.cat for b in batches]))

"""BatchedNetwork: forward and backward passes of neighbouring members at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.tasks.base import Task
from colonnade.training.packed.draws import Call, Draws
from colonnade.training.packed.stack import Slice, stored_buffers


class BatchedNetwork:
    """One network called with the weights of several members, each on its own rows.

    ``torch.func.vmap`` turns the linear layers into batched products; whatever else a network is made of is batched in
    the same way, so that no model needs a second form.

    Args:
        networks: of all members that will be trained.
        tasks: theirs.
    """

    def __init__(self, networks: Sequence[nn.Module], tasks: Sequence[Task]) -> None:
        self.draws = Draws(networks)
        self.tasks = tasks
        self._names = [name for name, _ in networks[0].named_parameters()]
        self._buffers = [name for name, _ in stored_buffers(networks[0])]
        self._calls: dict[int, list[Call]] = {}
        self._one_loss: bool | None = None

    def calls(self, batch: Batch) -> list[Call]:
        """What is random in the forward pass of a member's batch."""
        if len(batch) not in self._calls:
            self._calls[len(batch)] = self.draws.calls(batch)
        return self._calls[len(batch)]

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
            drawn: ``(members, *)``, what is random in the forward pass, in the order of :meth:`calls`.

        Raises:
            ConfigError: the network does what cannot be batched.
        """
        num, cat = torch.stack([b.num for b in batches]), torch.stack([b.cat for b in batches])
        try:
            raw, penalty = vmap(self._forward)(part.weights, part.buffers, num, cat, drawn)
        except RuntimeError as error:
            if "vmap" not in str(error):
                raise
            why = str(error).splitlines()[0]
            raise ConfigError(f"packed: this model cannot be trained in a pack ({why}); train it by itself") from error
        losses = self._losses(raw.float(), tasks, batches, shares) + penalty
        found = torch.autograd.grad(losses.sum(), part.weights, allow_unused=True)
        # The kernels of optimizers go through weights and gradients in the order of memory.
        return losses.detach(), [None if g is None else g.contiguous() for g in found]

    def _forward(
        self, weights: list[Tensor], buffers: list[Tensor], num: Tensor, cat: Tensor, drawn: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Raw outputs and penalty of one member, as vmap sees it."""
        self.draws.give(drawn)
        state = dict(zip((*self._names, *self._buffers), (*weights, *buffers)))
        output = functional_call(self.draws.template, state, (Batch(num=num, cat=cat),))
        penalty = output.raw.new_zeros(()) if output.penalty is None else output.penalty
        return output.raw, penalty

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

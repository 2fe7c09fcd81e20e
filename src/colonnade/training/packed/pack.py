"""Pack: several trainings of one architecture, a step of all of them at a time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.errors import TrainingError
from colonnade.data.store import Store
from colonnade.training.callbacks.recovery import Recovery, Savings
from colonnade.training.packed.batched import BatchedNetwork
from colonnade.training.packed.member import Member, Turn
from colonnade.training.packed.stack import Slice, Stack, settings_of
from colonnade.training.packed.update import clip, update

log = logging.getLogger(__name__)

# Seconds between two lines of progress.
EVERY = 10.0
# Bytes of a tensor just below the largest that glibc's ``free`` learns from.
LESSON = 31 * 2**20
# Bytes of the embedded rows of all members together that are kept; beyond, each batch is embedded.
EMBEDDED = 2**28


class Pack:
    """Trains members side by side, each as it would train by itself.

    Members share nothing but the work: at each step those whose batches have as many rows go through one batched
    forward and backward pass; then their optimizers, of equal settings at once, take their steps. A member that stops
    early leaves, and the stack closes the gap.

    Args:
        members: begun, with something left to train.

    Raises:
        ConfigError: they cannot be stacked.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        # Neighbours have batches of as many rows, and equal settings.
        self.members = sorted(members, key=lambda m: (m.loader.n_rows, repr(settings_of(m.part()))))
        self.stack = Stack([member.part() for member in self.members])
        modules = [member.module for member in self.members]
        self.network = BatchedNetwork([module.network for module in modules], [module.task for module in modules])
        loader, spec = self.members[0].loader, modules[0].spec
        widths = (spec.n_num, spec.n_cat)
        embedded = modules[0].network.layout.d_flat
        if self.network.embeds_alike and _fits(self.members, embedded):
            for member in self.members:
                member.embed()
            self.network.take_embedded()
            widths = (embedded, 0)
        rows, device = math.ceil(loader.n_rows / loader.n_steps), self.members[0].device
        made_up = Batch(
            num=torch.zeros(rows, widths[0], device=device),
            cat=torch.zeros(rows, widths[1], dtype=torch.int64, device=device),
        )
        self._most = self.network.plan(self.stack.slice(0, 1), made_up).members
        self._told = time.monotonic()
        _keep_memory()
        savings = Savings(len(members))
        for recovery in (c for m in members for c in m.callbacks if isinstance(c, Recovery)):
            recovery.savings = savings

    def train(self) -> Iterator[Member]:
        """Train to the end; gives each member as it ends.

        Raises:
            SystemExit: the process was told to stop; the states of all members are saved.
        """
        try:
            yield from self._train()
        except BaseException as error:
            for member in self.members:
                member.abandon(error)
            raise

    def _train(self) -> Iterator[Member]:
        while self.members:
            start = time.monotonic()
            self._epoch()
            outputs = self._evaluated()
            for member in self.members:
                if member.error is None and member.told is None:
                    _kept(member, member.end_epoch, outputs.get(member))
            for member in self.members:
                if member.told is not None:
                    # By now the others have saved their states too.
                    raise member.told
            self._tell()
            share = (time.monotonic() - start) / len(self.members)
            for member in self.members:
                member.seconds += share
            ended = [member for member in self.members if member.done]
            if ended:
                self.members = [member for member in self.members if not member.done]
                if self.members:
                    self.stack = Stack([member.part() for member in self.members])
            for member in ended:
                member.leave()
                member.end()
                yield member

    def _epoch(self) -> None:
        """One epoch of every member, of as many at a time as the cache of a processor holds."""
        blocks = math.ceil(len(self.members) / self._most)
        bounds = [len(self.members) * i // blocks for i in range(blocks + 1)]
        for first, last in pairwise(bounds):
            self._epoch_of(first, last)

    def _epoch_of(self, first: int, last: int) -> None:
        """One epoch of neighbours; those with fewer steps wait for the others."""
        members = self.members[first:last]
        turns = [member.begin_epoch() for member in members]
        while True:
            now = [self._next(member, its) for member, its in zip(members, turns)]
            if not any(now):
                return
            for start, stop in runs(now, lambda turn: None if turn is None else len(turn.batch)):
                if now[start] is not None:
                    self._step(first + start, [turn for turn in now[start:stop] if turn is not None])

    def _next(self, member: Member, turns: Iterator[Turn]) -> Turn | None:
        if member.error is None and member.told is None:
            return _kept(member, next, turns, None)
        return None

    def _step(self, start: int, turns: Sequence[Turn]) -> None:
        """A step of neighbours whose batches have as many rows."""
        stop = start + len(turns)
        members, part = self.members[start:stop], self.stack.slice(start, stop)
        tasks = [member.module.task for member in members]
        drawn = self._drawn(part, members, turns)
        batches, shares = [turn.batch for turn in turns], [turn.shares for turn in turns]
        losses, grads = self.network.gradients(part, tasks, batches, shares, drawn)
        for member, turn, loss in zip(members, turns, losses.unbind()):
            # Weights after a loss that is not finite are lost, and harm no other's.
            _kept(member, member.module.losses.add, loss, turn.step, turn.batch, turn.epoch)
        clip(grads, [member.module.optim.grad_clip for member in members])
        averages = [member.module.average for member in members]
        kept = [None if a is None else a.share(turn.index) for a, turn in zip(averages, turns)]
        settings = [(t.index, share, m.setting(t.index)) for m, t, share in zip(members, turns, kept)]
        for first, last in runs(settings, lambda setting: setting):
            update(
                self.stack.slice(start + first, start + last),
                [None if g is None else g[first:last] for g in grads],
                members[first].optimizer,
                kept[first],
            )

    def _drawn(self, part: Slice, members: Sequence[Member], turns: Sequence[Turn]) -> list[Tensor]:
        """What is random in the forward pass of each, stacked."""
        calls = self.network.plan(part, turns[0].batch).calls
        return self.network.draws.of(
            [member.module.network for member in members], calls, (m.seed(t) for m, t in zip(members, turns))
        )

    def _evaluated(self) -> dict[Member, list[Tensor]]:
        """Raw outputs for each validation batch of each member, where networks take the rows of all; else nothing."""
        found: dict[Member, list[Tensor]] = {}
        if not self.network.at_once:
            return found
        batches = [list(member.validation) for member in self.members]
        for start, stop in runs(batches, lambda own: [len(batch) for batch in own]):
            part, members = self.stack.slice(start, stop), self.members[start:stop]
            found |= {member: [] for member in members if member.validation}
            for each in zip(*batches[start:stop]):
                raws = self.network.evaluate(part, [b.to(m.device) for b, m in zip(each, members)])
                for member, raw in zip(members, raws.unbind()):
                    found[member].append(raw)
        return found

    def _tell(self) -> None:
        """A line now and then."""
        if time.monotonic() - self._told < EVERY:
            return
        self._told = time.monotonic()
        values = [m.trainer.callback_metrics.get(m.module.task.monitor) for m in self.members]
        known = [value.item() for value in values if value is not None]
        shown = f" · {self.members[0].module.task.monitor} {min(known):.4g} to {max(known):.4g}" if known else ""
        log.info("epoch %d · %d in training%s", self.members[0].trainer.current_epoch, len(self.members), shown)


def _fits(members: Sequence[Member], width: int) -> bool:
    """Whether the train and validation rows of all members may be kept as they are embedded."""
    stores = [loader.store for member in members for loader in (member.loader, member.validation) if loader]
    plain = all(isinstance(store, Store) and not store.mapped for store in stores)
    return plain and sum(4 * len(store) * width for store in stores) <= EMBEDDED


def _keep_memory() -> None:
    """Have the C library keep what a step sets free, since the next asks for as much.

    By default glibc gives some of it back to the system at each step, whose pages are then zeroed and mapped anew: a
    sixth of a step of 3x256. It keeps twice the size of the largest block, up to 32 MiB, that it has seen come and go:
    see "M_MMAP_THRESHOLD" in mallopt(3).
    """
    torch.empty(LESSON, dtype=torch.uint8)


def _kept(member: Member, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call something, and keep with a member what ends its training, since the others go on; None where it does."""
    try:
        return function(*arguments)
    except TrainingError as error:
        member.error = error
    except SystemExit as told:
        member.told = told
    return None


def runs(values: Sequence[Any], key: Callable[[Any], Any]) -> list[tuple[int, int]]:
    """Where neighbours with equal keys begin and end.

    >>> runs("aab", key=str)
    [(0, 2), (2, 3)]
    """
    found, start = [], 0
    for _, group in groupby(values, key):
        stop = start + len(list(group))
        found.append((start, stop))
        start = stop
    return found

"""Pairs: ratios, differences and products of two numbers, those that say more than the two by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.additive import Remainder, bin_codes
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, positions
from colonnade.data.steps.scores import standard_scores

Operation = Literal["ratio", "difference", "product"]
SIGNS = {"ratio": "/", "difference": "-", "product": "*"}
# Standard errors by which a gain must lie above 0: many candidates are tried.
_CERTAIN = 4.0
# Pairs that are tried together with their numbers, those that gain most without them.
_TRIED = 32


@dataclass(frozen=True)
class Candidate:
    """A column that could be made.

    Args:
        operation: a key of :data:`SIGNS`.
        first, second: positions of its numbers.
    """

    operation: str
    first: int
    second: int

    def of(self, num: Tensor) -> Tensor:
        """Its values, ``(N,)`` of ``(F, N)``."""
        return combine(self.operation, num[self.first], num[self.second])


def combine(operation: str, first: Tensor, second: Tensor) -> Tensor:
    """Ratio, difference or product; missing where a number is, or is divided by 0."""
    if operation == "ratio":
        return torch.where(second == 0, torch.nan, first / torch.where(second == 0, 1.0, second))
    return first - second if operation == "difference" else first * second


class Pairs(Step):
    """Add ratios, differences and products of two numbers, chosen one by one by what they gain on held-out train rows.

    Half of a sample of the train rows teaches what each column says of the target by itself, a mean for each of
    ``bins`` ranges of its values. Of all pairs, the one that most reduces the squared error that this leaves on the
    other half, when its own means and those of its two numbers are added, is taken; then the next, as long as one
    reduces it by ``min_gain`` and by four standard errors.
    The idea is that of OpenFE's first stage (Zhang et al., "OpenFE: automated feature generation with expert-level
    performance", 2023); means in bins instead of boosted trees keep it to seconds. The pairs are chosen by targets of
    train rows, but computed without them. Comes before the step that fills missing values.

    Args:
        columns: which numbers; None: all, or of more than ``max_sources`` those that say most by themselves.
        operations: some of ``ratio, difference, product``.
        max_columns: pairs to add at most.
        min_gain: share of the squared error that a pair must take away.
        max_sources: numbers that are paired at most.
        rows: train rows that are looked at, drawn by the seed.
        bins: see above.

    Raises:
        ValueError: an unknown operation, none, or a number out of range.
    """

    makes_missing = True
    uses_target = True

    def __init__(
        self,
        *,
        columns: Sequence[str] | None = None,
        operations: Sequence[Operation] = ("ratio", "difference", "product"),
        max_columns: int = 8,
        min_gain: float = 0.002,
        max_sources: int = 16,
        rows: int = 20_000,
        bins: int = 32,
    ) -> None:
        wrong = [value for value in operations if value not in SIGNS]
        if wrong or not operations:
            known = ", ".join(get_args(Operation))
            raise ValueError(f"operations must be some of {known}, got {', '.join(wrong) or 'none'}")
        for key, number, least in (
            ("max_columns", max_columns, 1),
            ("max_sources", max_sources, 2),
            ("rows", rows, 100),
            ("bins", bins, 2),
        ):
            if number < least:
                raise ValueError(f"{key} must be at least {least}, got {number!r}")
        if not 0 <= min_gain < 1:
            raise ValueError(f"min_gain must be at least 0 and below 1, got {min_gain!r}")
        self.columns = columns
        self.operations = tuple(operations)
        self.max_columns = max_columns
        self.min_gain = min_gain
        self.max_sources = max_sources
        self.rows = rows
        self.bins = bins

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Try the pairs. See :meth:`Step.fit`."""
        chosen = positions(layout.num, self.columns, "Pairs")
        if len(chosen) < 2:
            return Fitted(None, layout)
        found = self._search(train, chosen, generator)
        if not found:
            return Fitted(None, layout, ["no pair of numbers says more on held-out train rows than the two alone"])
        # The fitted step computes each operation at once.
        found.sort(key=lambda pair: list(SIGNS).index(pair[0].operation))
        candidates = [candidate for candidate, _ in found]
        names = [f"{layout.num[c.first]} {SIGNS[c.operation]} {layout.num[c.second]}" for c in candidates]
        added = layout.fresh(names)
        module = Paired(
            added=added,
            sources=[(layout.num[c.first], layout.num[c.second]) for c in candidates],
            operations=[c.operation for c in candidates],
            first=index_of([c.first for c in candidates]),
            second=index_of([c.second for c in candidates]),
            gain=torch.tensor([gain for _, gain in found], dtype=torch.float64),
        )
        log = [
            f"column '{name}' made: it takes away {gain:.1%} of the squared error on held-out train rows"
            for name, (_, gain) in zip(added, found, strict=True)
        ]
        return Fitted(module, replace(layout, num=layout.num + added), log)

    def _search(
        self, train: TrainRows, chosen: Sequence[int], generator: torch.Generator
    ) -> list[tuple[Candidate, float]]:
        """The pairs to add, and the gain of each when it was taken."""
        place = torch.randperm(len(train.rows), generator=generator)[: self.rows].sort().values
        num, flag, cat, _ = (block[:, place] for block in train.columns)
        target = standard_scores(train.target[train.rows[place]])
        learn = torch.rand(len(place), generator=generator) < 0.5
        if not target.shape[1] or not learn.any() or learn.all():
            return []
        codes = [bin_codes(column, learn, self.bins) for column in num]
        alone = Remainder(target, learn)
        sources = sorted(chosen, key=lambda i: -alone.gain([codes[i]], rounds=1)[0])[: self.max_sources]
        base = [*codes, *flag.long(), *cat]
        rest = Remainder(target, learn, base)
        candidates = {c: bin_codes(c.of(num), learn, self.bins) for c in self._candidates(sorted(sources))}
        found: list[tuple[Candidate, float]] = []
        while candidates and len(found) < self.max_columns:
            quick = {c: rest.gain([code], rounds=1)[0] for c, code in candidates.items()}
            few = sorted(candidates, key=lambda c: -quick[c])[:_TRIED]
            # With the two numbers, whose own shares change where a pair is there.
            groups = {c: [candidates[c], codes[c.first], codes[c.second]] for c in few}
            gains = {c: rest.gain(group) for c, group in groups.items()}
            best = max(gains, key=lambda c: gains[c][0])
            gain, error = gains[best]
            if gain < self.min_gain or gain < _CERTAIN * error or gain <= 0:
                break
            found.append((best, gain))
            base.append(candidates.pop(best))
            # From the beginning: what was said without the pair by columns that it concerns is said anew.
            rest = Remainder(target, learn, base)
        return found

    def _candidates(self, sources: Sequence[int]) -> list[Candidate]:
        made = []
        for a, b in combinations(sources, 2):
            for operation in self.operations:
                made.append(Candidate(operation, a, b))
                if operation == "ratio":
                    made.append(Candidate(operation, b, a))
        return made


class Paired(FittedStep):
    """Fitted :class:`Pairs`.

    Args:
        added: columns it adds.
        sources: the two numbers of each.
        operations: of each; equal ones are neighbours.
        first, second: ``(P,)`` int64, positions of the numbers.
        gain: ``(P,)`` float64, share of the squared error on held-out train rows that each took away.
    """

    first: Tensor
    second: Tensor
    gain: Tensor

    def __init__(
        self,
        *,
        added: Sequence[str],
        sources: Sequence[Sequence[str]],
        operations: Sequence[str],
        first: Tensor,
        second: Tensor,
        gain: Tensor,
    ) -> None:
        super().__init__()
        self.added = tuple(added)
        self.sources = [tuple(pair) for pair in sources]
        self.operations = tuple(operations)
        self.register_buffer("first", first)
        self.register_buffer("second", second)
        self.register_buffer("gain", gain)

    def forward(self, columns: Columns) -> Columns:
        """Append the pairs."""
        made = [columns.num]
        start = 0
        for operation in dict.fromkeys(self.operations):
            stop = start + self.operations.count(operation)
            first = columns.num.index_select(0, self.first[start:stop])
            made.append(combine(operation, first, columns.num.index_select(0, self.second[start:stop])))
            start = stop
        return columns._replace(num=torch.cat(made))

    def options(self) -> dict[str, Any]:
        """Names and operations."""
        return {"added": self.added, "sources": self.sources, "operations": self.operations}

    def features(self) -> list[Feature]:
        """The formula, and what it gained."""
        rows = zip(self.added, self.sources, self.operations, self.gain, strict=True)
        return [Feature(new, f"{a} {SIGNS[op]} {b}", (a, b), {"gain": gain}) for new, (a, b), op, gain in rows]

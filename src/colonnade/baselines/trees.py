"""Trees: decision trees of any library as flat arrays, in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

Set = tuple[int, tuple[int, ...]]
"""A categorical column, and codes of it."""
Find = Callable[[int, Tensor], Tensor]
"""Takes the number of a statistic and keys ``(B,)`` int64; gives their rows among its values, the last for others."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one tree or of many. A row goes left where ``x[feature] <= threshold``, both float32, and where the
    number is missing and ``missing`` says so.

    Args:
        feature: ``(N,)`` int64; 0 in leaves.
        threshold: ``(N,)`` float32.
        left, right: ``(N,)`` int64, nodes that follow; a leaf is its own child.
        missing: ``(N,)`` bool.
        value: ``(N, width)`` float64, of leaves: what is added to ``width`` outputs; 0 elsewhere.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.feature)

    @property
    def leaf(self) -> np.ndarray:
        """Which nodes are leaves, ``(N,)`` bool."""
        found: np.ndarray = self.left == np.arange(len(self))
        return found


@dataclass(frozen=True)
class Statistic:
    """Numbers that belong to a combination of categories, such as the share of a class in train rows that have it.

    Args:
        key: of rows ``num (B, F)`` and ``cat (B, K)``: ``(B,)`` int64, equal where the combination is.
        keys: ``(n,)`` int64, those of training; None: a key is the row of the values at once.
        values: ``(n + 1, m)`` float32, last for a combination that training did not hold; ``(n, m)`` without keys.
    """

    key: Callable[[Tensor, Tensor], Tensor]
    keys: np.ndarray | None
    values: np.ndarray


@dataclass(frozen=True)
class Trees:
    """Trees whose leaves add up to raw outputs.

    Args:
        nodes: of all trees. Features are the numbers of a row, then the codes of its categories, then for each set 1
            where the category of the row is in it, else 0, then what statistics say of it.
        root: ``(T,)`` int64, first node of each tree.
        output: ``(T,)`` int64, the first output that a tree adds to.
        sets: what categories are asked for, in order.
        statistics: what else.
        base: ``(outputs,)`` float64, what the sums begin at.
    """

    nodes: Nodes
    root: np.ndarray
    output: np.ndarray
    base: np.ndarray
    sets: tuple[Set, ...] = ()
    statistics: tuple[Statistic, ...] = ()

    def features(self, num: Tensor, cat: Tensor, find: Find) -> Tensor:
        """What the trees look at, ``(B, features)`` float32.

        Args:
            num: ``(B, F)`` float32.
            cat: ``(B, K)`` int64 codes; one beyond those of a set is in none.
            find: looks keys of statistics up; :meth:`search` does.
        """
        parts = [num, cat.to(num.dtype)]
        for column in sorted({column for column, _ in self.sets}):
            asked = [codes for each, codes in self.sets if each == column]
            size = max((max(codes, default=0) for codes in asked), default=0) + 1
            inside = np.zeros((size + 1, len(asked)), dtype=bool)
            for i, codes in enumerate(asked):
                inside[list(codes), i] = True
            parts.append(torch.tensor(inside)[cat[:, column].clamp(max=size)].to(num.dtype))
        for i, statistic in enumerate(self.statistics):
            key = statistic.key(num, cat)
            parts.append(torch.tensor(statistic.values)[key if statistic.keys is None else find(i, key)])
        return torch.cat(parts, dim=1)

    def search(self, i: int, keys: Tensor) -> Tensor:
        """A :data:`Find`."""
        known = self.statistics[i].keys
        assert known is not None
        order = np.argsort(known)
        place = np.searchsorted(known, keys.numpy(), sorter=order).clip(max=len(known) - 1)
        found = order[place]
        return torch.from_numpy(np.where(known[found] == keys.numpy(), found, len(known)))

    def sums(self, features: np.ndarray) -> np.ndarray:
        """What trees say of rows, ``(B, outputs)`` float64.

        Args:
            features: ``(B, features)`` float32.
        """
        nodes, width = self.nodes, self.nodes.value.shape[1]
        found = np.tile(self.base, (len(features), 1))
        every = np.arange(len(features))
        for root, output in zip(self.root, self.output):
            at = np.full(len(features), root)
            while not (nodes.left[at] == at).all():
                x = features[every, nodes.feature[at]]
                left = np.where(np.isnan(x), nodes.missing[at], x <= nodes.threshold[at])
                at = np.where(left, nodes.left[at], nodes.right[at])
            found[:, output : output + width] += nodes.value[at]
        return found

    def rebased(self, n_num: int, n_cat: int, margin: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Trees:
        """With the base that makes the sums what a library gives for a row of zeros: each writes it down otherwise.

        Args:
            n_num, n_cat: columns.
            margin: raw outputs of the library for ``num (1, F)`` float32 and ``cat (1, K)`` int64.
        """
        right = margin(np.zeros((1, n_num), np.float32), np.zeros((1, n_cat), np.int64))
        features = self.features(torch.zeros(1, n_num), torch.zeros((1, n_cat), dtype=torch.int64), self.search)
        return replace(
            self, base=self.base + np.asarray(right, np.float64).reshape(-1) - self.sums(features.numpy())[0]
        )


def grown(
    trees: Sequence[Nodes],
    output: Sequence[int],
    *,
    n_columns: int,
    n_outputs: int,
    sets: Mapping[Set, int] | None = None,
    statistics: Sequence[Statistic] = (),
) -> Trees:
    """Single trees as one, with a base of 0.

    Args:
        trees: each counts its nodes from 0.
        output: the first output that each adds to.
        n_columns: numbers and categories of a row.
        n_outputs: of all trees.
        sets: the feature by which trees ask for a set.
        statistics: features behind the sets.
    """
    sets = sets or {}
    new = np.arange(n_columns + len(sets) + sum(each.values.shape[1] for each in statistics))
    for place, each in enumerate(sorted(sets), n_columns):
        new[sets[each]] = place
    start = np.cumsum([0, *map(len, trees)])
    ahead = np.repeat(start[:-1], np.diff(start))
    whole = {f.name: np.concatenate([getattr(tree, f.name) for tree in trees]) for f in fields(Nodes)}
    whole |= {"feature": new[whole["feature"]], "left": whole["left"] + ahead, "right": whole["right"] + ahead}
    return Trees(
        nodes=Nodes(**whole),
        root=start[:-1],
        output=np.asarray(output, np.int64),
        base=np.zeros(n_outputs),
        sets=tuple(sorted(sets)),
        statistics=tuple(statistics),
    )


def joined(models: Sequence[Trees], n_columns: int) -> Trees:
    """Trees of several models, whose outputs follow each other.

    Args:
        models: of the same width of leaves.
        n_columns: numbers and categories of a row.
    """
    sets = {each: n_columns + i for i, each in enumerate(sorted({each for model in models for each in model.sets}))}
    statistics = [each for model in models for each in model.statistics]
    widths = [sum(each.values.shape[1] for each in model.statistics) for model in models]
    parts = []
    for model, width, before in zip(models, widths, accumulate(widths, initial=n_columns + len(sets))):
        new = np.array([*range(n_columns), *(sets[each] for each in model.sets), *range(before, before + width)])
        parts.append(replace(model.nodes, feature=new[model.nodes.feature]))
    starts = list(accumulate(map(len, parts), initial=0))
    outputs = list(accumulate((len(model.base) for model in models), initial=0))
    whole = grown(parts, [], n_columns=n_columns, n_outputs=outputs[-1], sets=sets, statistics=statistics)
    return replace(
        whole,
        root=np.concatenate([model.root + start for model, start in zip(models, starts)]),
        output=np.concatenate([model.output + first for model, first in zip(models, outputs)]),
        base=np.concatenate([model.base for model in models]),
    )


def float32_below(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each float64: what is a float32 is at most both, or neither."""
    rounded = values.astype(np.float32)
    below: np.ndarray = np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return below

"""Sources: which raw column each encoded column comes from, found by trying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.data.columns import RawColumns
from colonnade.data.lookup import Lookup
from colonnade.training.predictor import encode as encode_raw


@dataclass(frozen=True)
class Sources:
    """Raw columns, and where they went.

    Args:
        columns: raw columns, in the order of the lookup: numbers, texts, categories, datetimes.
        num: ``(F,)`` int64, raw column of each encoded number; the first one of several.
        cat: ``(K,)`` int64, raw column of each encoded category; the first one of several.
        used: positions of the raw columns that reach the model.
        mixed: encoded columns that are made of several raw ones, none of which they belong to.
    """

    columns: tuple[str, ...]
    num: Tensor
    cat: Tensor
    used: tuple[int, ...]
    mixed: tuple[str, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of raw columns."""
        return len(self.columns)


def encode(module: nn.Module, raw: RawColumns) -> Batch:
    """Raw rows, or series, as the network is given them."""
    with torch.no_grad():
        return Batch(*encode_raw(module, raw.num, raw.cat, raw.time), mask=raw.mask)


def places(lookup: Lookup) -> list[tuple[str, int | slice]]:
    """Block of the raw rows and position in it, of each column of the lookup; of a text, the numbers of its vector."""
    ends = accumulate((text.width for text in lookup.texts), initial=len(lookup.num))
    return [
        *(("num", i) for i in range(len(lookup.num))),
        *(("num", slice(start, end)) for start, end in pairwise(ends)),
        *(("cat", i) for i in range(len(lookup.cat))),
        *(("time", i) for i in range(len(lookup.time))),
    ]


def with_column(raw: RawColumns, place: tuple[str, int | slice], values: Tensor) -> RawColumns:
    """The same rows with other values in one column."""
    block, i = place
    changed = getattr(raw, block).clone()
    changed[:, i] = values
    return replace(raw, **{block: changed})


def trace(module: nn.Module, lookup: Lookup, raw: RawColumns, names: Sequence[str]) -> Sources:
    """Exchange the values of one raw column between the rows, and see which encoded columns change.

    Steps need not say what they do. An encoded column that is the same in all rows has no source that could be seen,
    and needs none as long as no other rows are explained: the first column stands for it.

    Args:
        module: raw rows to encoded ones.
        lookup: names the raw columns.
        raw: all rows that are explained or compared with.
        names: encoded columns, numbers first.
    """
    base = encode(module, raw)
    owner: list[set[int]] = [set() for _ in names]
    for column, place in enumerate(places(lookup)):
        block, i = place
        # Neighbours in a circle are all equal only where all rows are.
        shifted = getattr(raw, block)[:, i].roll(1, 0)
        moved = encode(module, with_column(raw, place, shifted))
        changed = torch.cat([(moved.num != base.num).any(0), (moved.cat != base.cat).any(0)])
        for encoded in changed.nonzero()[:, 0].tolist():
            owner[encoded].add(column)
    mixed = tuple(name for name, found in zip(names, owner, strict=True) if len(found) > 1)
    source = torch.tensor([min(found, default=0) for found in owner], dtype=torch.int64)
    n_num = base.num.shape[1]
    used = tuple(sorted(set.union(set(), *owner)))
    return Sources(lookup.names, source[:n_num], source[n_num:], used, mixed)

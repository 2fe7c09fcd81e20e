"""Columns: raw and encoded columns as blocks of tensors, and the names that go with them.

Inside the pipeline a block is stored *columns first*, ``(columns, rows)``: statistics run along contiguous memory,
columns are appended by one copy, and polars hands its columns over as they lie. Rows come first at both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

MISSING_TIME = torch.iinfo(torch.int64).min
"""Stands for a missing datetime."""

MISSING, UNKNOWN, FIRST_LEVEL = 0, 1, 2
"""Codes of a category: missing, unknown (or rare), and the first of its levels."""


@dataclass
class RawColumns:
    """Rows as the lookup gives them, and as the Predictor takes them; ``T`` is the steps of sequences.

    Args:
        num: ``(N, [T,] F)`` float64, NaN where missing.
        cat: ``(N, [T,] K)`` int64; 0 missing, 1 unknown, 2.. levels.
        time: ``(N, [T,] D)`` int64 microseconds since 1970, :data:`MISSING_TIME` where missing.
        mask: valid steps of sequences ``(N, T)``; None for tables.
    """

    num: Tensor
    cat: Tensor
    time: Tensor
    mask: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the Predictor is called with."""
        rows = (self.num, self.cat, self.time)
        return rows if self.mask is None else (*rows, self.mask)


class Columns(NamedTuple):
    """What a step takes and gives: four blocks, columns first.

    Args:
        num: ``(F, N)`` float64 measured values, NaN where missing.
        flag: ``(G, N)`` float32 values 0 or 1, never missing; scaling leaves them alone.
        cat: ``(K, N)`` int64 category codes.
        time: ``(D, N)`` int64 microseconds since 1970.
    """

    num: Tensor
    flag: Tensor
    cat: Tensor
    time: Tensor

    @classmethod
    def of(cls, num: Tensor, cat: Tensor, time: Tensor) -> Columns:
        """Columns of raw rows (rows first); there are no flags yet."""
        return cls(num.T, num.new_zeros((0, num.shape[0]), dtype=torch.float32), cat.T, time.T)


@dataclass(frozen=True, eq=False)
class Layout:
    """What the columns of each block are.

    Args:
        num: of the measured columns.
        flag: of the 0/1 columns.
        cat: of the categories.
        levels: text of codes 2.. of each category.
        counts: of each category, how many train rows have each code: a tensor ``(cardinality,)`` int64.
        time: of the datetimes.
    """

    num: tuple[str, ...] = ()
    flag: tuple[str, ...] = ()
    cat: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    counts: tuple[Tensor, ...] = ()
    time: tuple[str, ...] = ()

    @property
    def num_names(self) -> tuple[str, ...]:
        """Names of the encoded numeric columns: measured ones, then flags."""
        return self.num + self.flag

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each category, missing and unknown included."""
        return tuple(len(levels) + FIRST_LEVEL for levels in self.levels)

    def with_categories(self, places: Sequence[int]) -> Layout:
        """The same layout with the categories at ``places`` alone."""
        return replace(
            self,
            cat=tuple(self.cat[i] for i in places),
            levels=tuple(self.levels[i] for i in places),
            counts=tuple(self.counts[i] for i in places),
        )

    def fresh(self, names: Iterable[str]) -> tuple[str, ...]:
        """The given names, with a number appended to those already taken.

        >>> Layout(num=("a", "a.missing")).fresh(["a.missing", "b.missing"])
        ('a.missing.2', 'b.missing')
        """
        taken = {*self.num, *self.flag, *self.cat, *self.time}
        chosen = []
        for name in names:
            unique, n = name, 1
            while unique in taken:
                n += 1
                unique = f"{name}.{n}"
            taken.add(unique)
            chosen.append(unique)
        return tuple(chosen)


class TrainRows:
    """All that a step may see when it is fitted: rows of the training part, encoded by the steps before it.

    Columns come as a seeded sample, so that fitting costs neither the time nor the memory of another copy of the table.
    Of categories and targets, whose rare values matter, all train rows can be had, and the layout holds their counts.

    Args:
        rows: ``(S,)`` int64, position of each sampled row among the train rows; all of them when there are no more than
            ``pipeline.sample_rows``.
        target: ``(N, ...)`` of all train rows, as ``Batch.target``.
        read: gives the sample.
        read_codes: gives the ``(K, N)`` category codes of all train rows.

    Either is read when a step first asks for it.
    """

    def __init__(
        self, rows: Tensor, target: Tensor, read: Callable[[], Columns], read_codes: Callable[[], Tensor]
    ) -> None:
        self.rows = rows
        self.target = target
        self._read = read
        self._read_codes = read_codes
        self._columns: Columns | None = None
        self._codes: Tensor | None = None

    def __len__(self) -> int:
        return self.target.shape[0]

    @property
    def columns(self) -> Columns:
        """The sample."""
        if self._columns is None:
            self._columns = self._read()
        return self._columns

    @property
    def codes(self) -> Tensor:
        """Category codes of all train rows, ``(K, N)`` int64."""
        if self._codes is None:
            self._codes = self._read_codes()
        return self._codes

    def after(self, encode: Callable[[Columns, Tensor], Columns], recode: Callable[[Tensor], Tensor]) -> TrainRows:
        """The same rows behind one more step: what it does to train rows, and to categories."""
        return TrainRows(self.rows, self.target, lambda: encode(self.columns, self.rows), lambda: recode(self.codes))

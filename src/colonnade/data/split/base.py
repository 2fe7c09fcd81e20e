"""Splitter: what every way of splitting has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.doubts import count_values
from colonnade.data.split.record import PARTS, Division, Split
from colonnade.data.table import Table


class Splitter(ABC):
    """Gives rows of a table to train, val and test."""

    seed: int | None = None
    """Of what is left to chance; None: that of the run. Runs of other seeds then have the same parts."""

    def chance(self, seed: int) -> int:
        """The seed of the division, in a run of this seed."""
        return seed if self.seed is None else self.seed

    @abstractmethod
    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """Divide the rows of a table; the same seed gives the same split.

        Args:
            table: as read.
            kind: kind of the target.
            seed: of the run.

        Raises:
            DataError: the rows cannot be divided this way; a part would be empty; val or test would hold a class that
                train lacks.
        """

    def divided(self, table: Table, kind: TargetKind, seed: int) -> Division:
        """What :meth:`split` does, or does to the steps of series, to be looked at before anything is trained."""
        return self.split(table, kind, seed)

    def declares_test(self, table: Table) -> bool:
        """Whether somebody decided which rows are the test rows, so that nothing may be learned from them."""
        return False


class Divider(Splitter):
    """A splitter that can divide any rows into any shares, and so can make folds too.

    Args:
        val: share of the rows that choose the model, in (0, 1).
        test: share of the rows that measure it, in (0, 1).
        seed: see :attr:`Splitter.seed`; where rows are cut into folds, it is theirs that counts.

    Raises:
        ValueError: a share or ``seed`` out of range, or nothing left to train on.
    """

    ordered = False
    """Whether later shares are later in time, so that a fold may only learn from those before it."""

    def __init__(self, *, val: float = 0.16, test: float = 0.2, seed: int | None = None) -> None:
        self.seed = need_seed(seed)
        need_share("val", val)
        need_share("test", test)
        if val + test >= 1:
            raise ValueError(
                f"split.val={val} and split.test={test} leave no rows to train on: their sum must be below 1"
            )
        self.shares = (1 - val - test, val, test)

    @abstractmethod
    def assign(
        self, table: Table, kind: TargetKind, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator
    ) -> np.ndarray:
        """Index of the share of each of ``rows``, ``(len(rows),)`` int64.

        Args:
            table: the whole table.
            kind: kind of the target.
            rows: positions to divide.
            shares: relative sizes of the shares, two or more.
            rng: the source of chance.

        Raises:
            DataError: the rows cannot be divided this way.
        """

    @abstractmethod
    def describe(self, table: Table) -> str:
        """What is done, in words, for the record."""

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        rows = np.arange(table.frame.height)
        labels = self.assign(table, kind, rows, self.shares, np.random.default_rng(self.chance(seed)))
        split = Split.from_labels(labels, self.describe(table))
        check(split, table, kind)
        return split


def need_seed(seed: int | None) -> int | None:
    """Refuse a seed below 0.

    Raises:
        ValueError: naming the key and the range.
    """
    if seed is not None and seed < 0:
        raise ValueError(f"split.seed={seed} must be 0 or more, or null")
    return seed


def need_share(name: str, share: float) -> None:
    """Refuse a share outside (0, 1).

    Raises:
        ValueError: naming the key and the range.
    """
    if not 0 < share < 1:
        raise ValueError(f"split.{name}={share} must be between 0 and 1")


def check(split: Split, table: Table, kind: TargetKind) -> None:
    """Refuse a split that cannot be trained or measured on.

    Raises:
        DataError: an empty part; classes of val or test that train lacks, by name.
    """
    counts = {name: len(rows) for name, rows in split.parts().items()}
    if not all(counts.values()):
        listed = ", ".join(f"{name} {n:,}" for name, n in counts.items())
        empty = ", ".join(name for name in PARTS if counts[name] == 0)
        raise DataError(
            f"the split ({split.how}) leaves {empty} empty: {listed} of {table.frame.height:,} rows; "
            "change the shares (split.val, split.test), the declared parts, or split="
        )
    if kind is not TargetKind.CLASS:
        return
    target = table.schema.targets[0]
    values = table.frame[target]
    known = values.gather(split.train).unique()
    for name in ("val", "test"):
        seen = values.gather(split.parts()[name]).drop_nulls()
        new = seen.unique()
        new = new.filter(~new.is_in(known.implode()))
        if len(new):
            strange = count_values(seen.filter(seen.is_in(new.implode())))
            listed = ", ".join(f"{v!r} ({n:,} rows)" for v, n in strange.head(8).rows())
            raise DataError(
                f"{name} holds classes of '{target}' that train lacks: {listed} ({split.how}); "
                "use split=stratified, or leave those rows out"
            )


def need_units(n: int, shares: Sequence[float], what: str) -> None:
    """Refuse to divide fewer units than there are shares.

    Raises:
        DataError: naming both numbers.
    """
    if n < len(shares):
        raise DataError(
            f"{n:,} {what} cannot fill {len(shares)} parts: fewer folds, or more {what} "
            "(cv.folds= or split.folds=, or another split=)"
        )


def duplicate_units(table: Table, rows: np.ndarray) -> np.ndarray:
    """Code of each row by its features: equal rows, equal codes, ``(len(rows),)``."""
    hashes = table.frame.select(table.schema.features).hash_rows(seed=0).gather(pl.Series(rows, dtype=pl.UInt32))
    return np.unique(hashes.to_numpy(), return_inverse=True)[1]

"""Splits by chance: of rows, of rows within classes, of whole groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from colonnade.core.errors import DataError, closest
from colonnade.core.schema import TargetKind
from colonnade.data.doubts import count_values, dense_ranks
from colonnade.data.split.allocate import allocate, allocate_sized, allocate_strata
from colonnade.data.split.base import Divider, duplicate_units, need_units
from colonnade.data.table import Table


class Random(Divider):
    """Rows at random.

    Args:
        val, test: shares of the rows.
        group_duplicates: rows with the same features stay in one part.
        seed: see :class:`~colonnade.data.split.base.Divider`.
    """

    def __init__(
        self, *, val: float = 0.16, test: float = 0.2, group_duplicates: bool = False, seed: int | None = None
    ) -> None:
        super().__init__(val=val, test=test, seed=seed)
        self.group_duplicates = group_duplicates

    def assign(
        self, table: Table, kind: TargetKind, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator
    ) -> np.ndarray:
        """See :meth:`Divider.assign`."""
        if not self.group_duplicates:
            need_units(len(rows), shares, "rows")
            return allocate(len(rows), shares, rng)
        units = duplicate_units(table, rows)
        sizes = np.bincount(units)
        need_units(len(sizes), shares, "different rows")
        return allocate_sized(sizes, shares, rng)[units]

    def describe(self, table: Table) -> str:
        """What is done, in words."""
        return "random" + (", equal rows together" if self.group_duplicates else "")


class Stratified(Divider):
    """Rows at random within each class, so that every part has the classes in the same proportions.

    Args:
        val, test: shares of the rows.
        group_duplicates: rows with the same features stay in one part (a unit counts with the class of its first row).
        rare: a class with a single row is an ``"error"``, or its row goes to ``"train"``.
        seed: see :class:`~colonnade.data.split.base.Divider`.

    Raises:
        ValueError: ``rare`` is neither.
    """

    def __init__(
        self,
        *,
        val: float = 0.16,
        test: float = 0.2,
        group_duplicates: bool = False,
        rare: Literal["error", "train"] = "error",
        seed: int | None = None,
    ) -> None:
        super().__init__(val=val, test=test, seed=seed)
        if rare not in ("error", "train"):
            raise ValueError(f"split.rare={rare!r} must be 'error' or 'train'")
        self.group_duplicates = group_duplicates
        self.rare = rare

    def assign(
        self, table: Table, kind: TargetKind, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator
    ) -> np.ndarray:
        """See :meth:`Divider.assign`."""
        if kind is not TargetKind.CLASS:
            raise DataError(f"a stratified split needs a class target, this one is {kind.value}: split=random")
        need_units(len(rows), shares, "rows")
        self._check_rare(table, len(rows))
        strata = dense_ranks(table.frame[table.schema.targets[0]])[rows]
        if not self.group_duplicates:
            return allocate_strata(strata, shares, rng)
        units = duplicate_units(table, rows)
        first = np.unique(units, return_index=True)[1]
        need_units(len(first), shares, "different rows")
        return allocate_strata(strata[first], shares, rng)[units]

    def _check_rare(self, table: Table, n_rows: int) -> None:
        if self.rare == "train" or n_rows < table.frame.height:
            return
        target = table.schema.targets[0]
        counts = count_values(table.frame[target])
        single = counts.filter(counts["count"] == 1)["value"]
        if len(single):
            listed = ", ".join(repr(v) for v in single.head(8).to_list())
            raise DataError(
                f"{len(single)} classes of '{target}' have a single row and cannot be in every part: {listed}; "
                "split.rare=train keeps such rows in train, or leave them out"
            )

    def describe(self, table: Table) -> str:
        """What is done, in words."""
        together = ", equal rows together" if self.group_duplicates else ""
        return f"stratified by '{', '.join(table.schema.targets)}'{together}"


class Group(Divider):
    """Whole groups at random: no group is in two parts.

    Args:
        val, test: shares of the rows, met as nearly as the groups allow.
        column: the column that names the group; None: ``data.group``.
        seed: see :class:`~colonnade.data.split.base.Divider`.
    """

    def __init__(
        self, *, val: float = 0.16, test: float = 0.2, column: str | None = None, seed: int | None = None
    ) -> None:
        super().__init__(val=val, test=test, seed=seed)
        self.column = column

    def assign(
        self, table: Table, kind: TargetKind, rows: np.ndarray, shares: Sequence[float], rng: np.random.Generator
    ) -> np.ndarray:
        """See :meth:`Divider.assign`. Rows without a group are a group each."""
        name = self._name(table)
        values = table.frame[name].gather(rows)
        codes = values.rank("dense").to_numpy().copy()
        alone = np.isnan(codes) if values.null_count() else np.zeros(len(rows), dtype=bool)
        codes[alone] = -1 - np.arange(alone.sum())
        groups, units, sizes = np.unique(codes, return_inverse=True, return_counts=True)
        need_units(len(groups), shares, f"groups of '{name}'")
        return allocate_sized(sizes, shares, rng)[units]

    def describe(self, table: Table) -> str:
        """What is done, in words."""
        return f"whole groups of '{self._name(table)}'"

    def _name(self, table: Table) -> str:
        name = self.column or table.schema.group
        if name is None:
            raise DataError("a group split needs its column: data.group=<column> or split.column=<column>")
        if name not in table.frame.columns:
            raise DataError(f"split.column={name} is no column{closest(name, table.frame.columns)}")
        return name

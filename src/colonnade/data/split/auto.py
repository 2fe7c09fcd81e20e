"""The split that the table itself suggests."""

from __future__ import annotations

from typing import Literal

from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Splitter, need_seed
from colonnade.data.split.choice import suggest
from colonnade.data.split.declared import Official
from colonnade.data.split.record import Split
from colonnade.data.split.shuffled import Stratified
from colonnade.data.table import Table


class Auto(Splitter):
    """The official split when the data set has one; else by ``data.group``, by ``data.time``, stratified, or random.

    Args:
        val, test: shares of the rows; of an official train part, ``val / (1 - test)`` is held out.
        group_duplicates: rows with the same features stay in one part (random and stratified splits).
        rare: a class with a single row is an ``"error"``, or its row goes to ``"train"``.
        seed: see :attr:`~colonnade.data.split.base.Splitter.seed`.

    Raises:
        ValueError: shares or ``seed`` out of range, or ``rare`` neither of the two.
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
        self.seed = need_seed(seed)
        Stratified(val=val, test=test, rare=rare)  # its checks hold for every choice
        self.val = val
        self.test = test
        self.group_duplicates = group_duplicates
        self.rare: Literal["error", "train"] = rare

    def declares_test(self, table: Table) -> bool:
        """Where the data set has an official split."""
        return bool(table.parts)

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """See :meth:`Splitter.split`."""
        if table.parts:
            official = Official(val=self.val / (1 - self.test), group_duplicates=self.group_duplicates)
            return official.split(table, kind, self.chance(seed))
        chosen = suggest(
            table, kind, val=self.val, test=self.test, group_duplicates=self.group_duplicates, rare=self.rare
        )
        return chosen.split(table, kind, self.chance(seed))

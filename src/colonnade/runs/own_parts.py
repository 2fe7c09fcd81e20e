"""Own parts: rows, series or windows of the parts of a run's own data, to be explained or compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colonnade.core.errors import DataError
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.horizon import Borders
from colonnade.data.sequences.windowed import Look, windows_at
from colonnade.data.split.record import Split
from colonnade.data.table import Table
from colonnade.runs.load import Loaded
from colonnade.runs.predict import row_ids

SPLIT = "split.json"
# Where explained rows are taken from: the first of these that has any.
PARTS = ("test", "val", "train")


class OwnParts(ABC):
    """The data a run was trained on, and their parts."""

    @abstractmethod
    def count(self, part: str) -> int:
        """How many rows a part has."""

    @abstractmethod
    def sample(self, part: str, n: int, seed: int) -> Table:
        """At most ``n`` rows of a part, in their order."""

    def explained(self, n: int, seed: int) -> tuple[Table, str]:
        """At most ``n`` rows that are explained, and their part."""
        part = next(part for part in PARTS if self.count(part))
        return self.sample(part, n, seed), part


@dataclass(frozen=True)
class OwnRows(OwnParts):
    """Rows of a table, or whole series.

    Args:
        table: all rows.
        split: which of them are train, validation and test rows.
    """

    table: Table
    split: Split

    def count(self, part: str) -> int:
        """See the base class."""
        return len(self.split.parts()[part])

    def sample(self, part: str, n: int, seed: int) -> Table:
        """See the base class."""
        return sample(self.table, self.split.parts()[part], n, seed)


@dataclass(frozen=True)
class OwnWindows(OwnParts):
    """Windows of series that are forecast; a window is called by the step at which its forecast begins.

    Args:
        table: all series.
        borders: of their parts.
        look: what a window sees.
        horizon: steps that are forecast.
    """

    table: Table
    borders: Borders
    look: Look
    horizon: int

    def count(self, part: str) -> int:
        """See the base class."""
        return int(self._origins(part)[1].sum())

    def sample(self, part: str, n: int, seed: int) -> Table:
        """See the base class."""
        first, count = self._origins(part)
        chosen = np.sort(_drawn(int(count.sum()), n, seed))
        before = np.cumsum(count) - count
        series = np.searchsorted(before + count, chosen, side="right")
        _, offsets = steps_of(self.table.frame, self.table.schema.features)
        origin = offsets[:-1][series] + first[series] + chosen - before[series]
        found = windows_at(self.table, origin, self.look)
        return Table(found.frame, found.schema, origin=found.origin, row_ids=origin)

    def _origins(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        return self.borders.origins(part, context=1 if self.look.repeat else self.look.context, horizon=self.horizon)


def own_parts(folder: Path, loaded: Loaded, table: Table) -> OwnParts:
    """The parts that a run has recorded of its data.

    Args:
        folder: of the run.
        loaded: the run.
        table: its data.

    Raises:
        DataError: it has recorded none.
    """
    if not (folder / SPLIT).exists():
        raise DataError(
            f"'{folder}' does not say which rows it was trained on (no {SPLIT}): "
            "name files with rows, data.path=rows.csv background=others.csv"
        )
    if loaded.spec.horizon is None:
        return OwnRows(table, Split.load(folder / SPLIT))
    dataset = loaded.dataset
    assert isinstance(dataset, SequenceDataset)
    return OwnWindows(table, Borders.load(folder / SPLIT), look=dataset.look, horizon=loaded.spec.horizon)


def sample(table: Table, rows: np.ndarray, n: int, seed: int) -> Table:
    """At most ``n`` of the given rows, drawn at random, in their order."""
    chosen = np.sort(rows[_drawn(len(rows), n, seed)])
    return Table(table.frame[chosen], table.schema, origin=table.origin, row_ids=row_ids(table)[chosen])


def _drawn(of: int, n: int, seed: int) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).permutation(of)[:n]
    return drawn

"""Horizon: series are divided by time; the windows of a part forecast steps of that part alone."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.data.split.base import Splitter, need_share
from colonnade.data.split.record import PARTS, Division, Split
from colonnade.data.table import Table


@dataclass(frozen=True)
class Borders:
    """Where the parts of each series end.

    Args:
        ends: ``(S, 3)`` int64, steps of each series before the end of train, val and test.
        how: what was done, in words.
        stride: steps from an origin of val and test to the next.
        begins: ``(S,)`` int64, first train step of each series; None: its first step.
        measured: whether val and test must have windows; otherwise they are left empty on purpose.
    """

    ends: np.ndarray
    how: str
    stride: int = 1
    begins: np.ndarray | None = None
    measured: bool = True

    @property
    def train(self) -> np.ndarray:
        """First train step of each series, and the one behind the last, ``(S, 2)`` int64."""
        begins = np.zeros(len(self.ends), dtype=np.int64) if self.begins is None else self.begins
        return np.stack([begins, self.ends[:, 0]], axis=1)

    def counts(self) -> dict[str, int]:
        """Steps of each part, over all series."""
        begins = np.concatenate([self.train[:, :1], self.ends[:, :-1]], axis=1)
        return dict(zip(PARTS, (self.ends - begins).sum(0).tolist(), strict=True))

    def origins(self, part: str, *, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """First origin of each series in a part, and how many there are, ``(S,)`` int64 each.

        The forecast steps of a window lie within the part; what it looks back at may lie before. A window of train lies
        within it.

        Args:
            part: train, val or test.
            context: steps that must stand before an origin.
            horizon: steps that are forecast.
        """
        i = PARTS.index(part)
        first = np.maximum(self.ends[:, i - 1], context) if i else self.train[:, 0] + context
        return first, np.maximum(0, self.ends[:, i] - horizon - first + 1)

    @classmethod
    def load(cls, path: Path) -> Borders:
        """Read ``split.json``."""
        told = json.loads(path.read_text(encoding="utf-8"))
        begins = None if told.get("begins") is None else np.asarray(told["begins"], dtype=np.int64)
        return cls(ends=np.asarray(told["ends"], dtype=np.int64), how=told["how"], begins=begins)

    def save(self, path: Path) -> None:
        """Write ``split.json``."""
        told = {"how": self.how, "ends": self.ends.tolist()}
        if self.begins is not None:
            told["begins"] = self.begins.tolist()
        path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


class Bordered(Splitter):
    """Divides the steps of series by time, and not rows."""

    declared: bool
    """Whether somebody decided which steps are the test steps."""

    def declares_test(self, table: Table) -> bool:
        """See :attr:`declared`."""
        return self.declared

    @abstractmethod
    def borders(self, lengths: np.ndarray) -> Borders:
        """Where the parts of series end.

        Args:
            lengths: steps of each series ``(S,)`` int64.
        """

    def divided(self, table: Table, kind: TargetKind, seed: int) -> Division:
        """The borders of the series of a table, which has a row for each."""
        return self.borders(lengths_of(table))

    def split(self, table: Table, kind: TargetKind, seed: int) -> Split:
        """Rows have no steps.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "split=horizon divides the steps of series that are forecast: set data.horizon, or split=auto"
        )


class Horizon(Bordered):
    """The first steps of each series to train, the next to val, the last to test.

    Args:
        val: share of the steps of a series that choose the model, in (0, 1), or how many steps, from 1.
        test: share of the steps that measure it, or how many; they are the last.
        steps: instead of shares, how many steps train, val and test have, from the first on; what is behind is unused.
        stride: steps from an origin of val and test to the next; 1: all windows are measured. What is measured lies in
            memory, ``data.horizon`` values of each window and target.

    Raises:
        ValueError: a share out of range, nothing left to train on, or other than three numbers of steps.
    """

    def __init__(
        self,
        *,
        val: float | int = 0.1,
        test: float | int = 0.2,
        steps: Sequence[int] | None = None,
        stride: int = 1,
    ) -> None:
        _need_size("val", val)
        _need_size("test", test)
        if val < 1 and test < 1 and val + test >= 1:
            raise ValueError(
                f"split.val={val} and split.test={test} leave no steps to train on: their sum must be below 1"
            )
        if steps is not None and (len(steps) != len(PARTS) or min(steps) < 1):
            raise ValueError(f"split.steps={list(steps)}: three numbers above 0, of train, val and test steps")
        if stride < 1:
            raise ValueError(f"split.stride={stride} must be at least 1")
        self.stride = stride
        self.val = val
        self.test = test
        self.steps = None if steps is None else tuple(steps)
        self.declared = steps is not None

    def borders(self, lengths: np.ndarray) -> Borders:
        """See the base class."""
        if self.steps is not None:
            ends = np.minimum(np.cumsum(self.steps), lengths[:, None])
            return Borders(
                ends, f"the first {self.steps[0]:,} steps train, the next {self.steps[1]:,} val, then test", self.stride
            )
        if self.val < 1 and self.test < 1:
            train = (lengths * (1 - self.val - self.test) + 1e-9).astype(np.int64)
            ends = [train, lengths - (lengths * self.test + 1e-9).astype(np.int64), lengths]
        else:
            tested = np.maximum(lengths - _steps(self.test, lengths), 0)
            ends = [np.maximum(tested - _steps(self.val, lengths), 0), tested, lengths]
        before = f"{self.val:.0%}" if self.val < 1 else f"{self.val:.0f}"
        how = f"the last {_words(self.test)} of each series test, the {before} before val"
        return Borders(np.stack(ends, axis=1), how, self.stride)


def lengths_of(table: Table) -> np.ndarray:
    """Steps of each series, ``(S,)`` int64.

    Args:
        table: a row for each series.
    """
    found: np.ndarray = table.frame[table.schema.features[0]].list.len().cast(pl.Int64).to_numpy()
    return found


def _need_size(name: str, value: float) -> None:
    """A share, or a number of steps."""
    if value < 1:
        need_share(name, value)
    elif value != int(value):
        raise ValueError(f"split.{name}={value}: a share below 1, or a whole number of steps")


def _steps(size: float, lengths: np.ndarray) -> np.ndarray:
    found: np.ndarray = (lengths * size + 1e-9).astype(np.int64) if size < 1 else np.full_like(lengths, int(size))
    return found


def _words(size: float) -> str:
    return f"{size:.0%} of the steps" if size < 1 else f"{size:.0f} steps"

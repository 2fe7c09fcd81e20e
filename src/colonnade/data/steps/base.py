"""Step: what is fitted on train rows, and the module that it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from colonnade.core.errors import ConfigError, closest
from colonnade.data.columns import Columns, Layout, TrainRows


@dataclass(frozen=True)
class Feature:
    """What a step says of a column that it makes or changes.

    Args:
        name: of the column.
        formula: how it is computed, in terms of ``inputs``.
        inputs: columns that were given to the step, or that it made before this one.
        numbers: what was fitted for it, by name.
    """

    name: str
    formula: str
    inputs: tuple[str, ...]
    numbers: Mapping[str, Tensor] = field(default_factory=dict)


class FittedStep(nn.Module, ABC):
    """A fitted step: a pure function of columns, with what was learned in buffers.

    Its constructor takes its options (plain JSON data) and its buffers (tensors) as keyword arguments, by the names
    that :meth:`options` and ``state_dict()`` give them, so that it is stored without pickle.
    """

    exportable: ClassVar[bool] = True
    """Whether ``torch.onnx.export(dynamo=True)`` takes it."""

    @abstractmethod
    def forward(self, columns: Columns) -> Columns:
        """Encode rows. Every row is encoded by itself: a batch of one gives what a batch of many gives."""

    def encode_train(self, columns: Columns, rows: Tensor) -> Columns:
        """Encode train rows; differs from ``forward`` where a row must not see its own target.

        Args:
            columns: train rows.
            rows: ``(N,)`` int64, their positions among the train rows.
        """
        return self(columns)

    def recode(self, cat: Tensor) -> Tensor:
        """What ``forward`` does to the categories alone, ``(K, N)`` to ``(K', N)``."""
        return cat

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Constructor arguments that are no tensors, as plain JSON data."""

    @abstractmethod
    def features(self) -> list[Feature]:
        """Every column that the step makes or changes, documented."""

    def describe(self) -> dict[str, str]:
        """Formula of each column that the step makes or changes, in terms of the columns it was given."""
        return {feature.name: feature.formula for feature in self.features()}


@dataclass(frozen=True)
class Verdict:
    """What a step that selects says of a column.

    Args:
        column: its name.
        score: what was measured.
        limit: what the score is compared with.
        kept: whether the column stays.
        why: in words.
    """

    column: str
    score: float
    limit: float
    kept: bool
    why: str


@dataclass
class Fitted:
    """What fitting gives.

    Args:
        module: the fitted step; None when there is nothing for it to do, and it is left out.
        layout: of the columns it gives.
        log: what a person should know, such as columns that were dropped and why.
        verdicts: on every column that the step has looked at, if it selects.
    """

    module: FittedStep | None
    layout: Layout
    log: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class Step(ABC):
    """A step to be fitted: options in the constructor, statistics in :meth:`fit`."""

    fills_missing: ClassVar[bool] = False
    """Whether no measured value is NaN behind it."""
    makes_missing: ClassVar[bool] = False
    """Whether it may add measured columns that hold NaN."""
    uses_target: bool = False
    """Whether it looks at the target."""

    @abstractmethod
    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Learn from the train rows, which are all that is given.

        Args:
            train: train rows, encoded by the steps before.
            layout: names of their columns.
            generator: seeded for this step.
        """


def exact(value: float) -> Tensor:
    """A number in a formula, as float64: the ONNX exporter writes Python numbers as float32, whatever they meet."""
    return torch.tensor(value, dtype=torch.float64)


def positions(names: Sequence[str], wanted: Sequence[str] | None, step: str) -> list[int]:
    """Where the wanted columns are.

    Args:
        names: columns the step could take.
        wanted: those asked for; None: all.
        step: name of the step, for the message.

    Raises:
        ConfigError: naming every wanted column that is not there.
    """
    if wanted is None:
        return list(range(len(names)))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ConfigError(
            "\n".join(
                f"pipeline step {step}: there is no column '{name}' here{closest(name, names)}" for name in unknown
            )
        )
    return sorted(names.index(name) for name in wanted)


def index_of(places: Sequence[int]) -> Tensor:
    """Positions as an index tensor, int64."""
    return torch.tensor(list(places), dtype=torch.int64)


def others(count: int, places: Sequence[int]) -> list[int]:
    """Positions up to ``count`` that are not among ``places``."""
    left = set(range(count)) - set(places)
    return sorted(left)

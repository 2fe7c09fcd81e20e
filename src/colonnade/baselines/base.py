"""Baseline: a model that fits whole arrays at once, and stands where a Network stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.baselines.problems import KINDS, Problem, Rows
from colonnade.baselines.trees import Trees
from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.output import Output
from colonnade.core.spec import BatchSpec

Report = Callable[[int, Mapping[str, float]], bool]
"""Takes the number of a round, from 0, and its measures by name (``val/...``); true: stop."""


@dataclass(frozen=True)
class Job:
    """How to fit.

    Args:
        seed: of all that is random.
        threads: of the library.
        device: ``"cpu"`` or ``"cuda"``; libraries without a GPU take no notice.
        report: told of each round.
    """

    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    report: Report = lambda number, measures: False


@dataclass(frozen=True)
class Fitted:
    """What came of a fit.

    Args:
        rounds: trees (of each class) that are kept: those of the best round; 1 where there are no rounds.
        size: leaves or coefficients.
    """

    rounds: int
    size: int


class Baseline(nn.Module, ABC):
    """Gives raw outputs in the convention of networks: logits, standardised values, quantiles of standardised values.

    So the Predictor, the decoder of the task, metrics and everything over run folders serve both. What was learned
    lies in buffers, which are stored as those of networks are: plain numbers, or the bytes of a library's own model
    file. Nothing is pickled.

    A subclass implements ``fit`` and ``raw``, and registers its buffers empty: they get their shapes from the fit, or
    from the file they are loaded from. Categories are codes: 0 missing, 1 unknown, 2 and above the levels.

    Args:
        spec: of the data, with ``out_shape`` set from the task.

    Raises:
        ConfigError: there are no features, or the data are of the kind that it does not take.
    """

    kinds: ClassVar[frozenset[str]] = KINDS
    """Kinds of problems that it can fit."""
    for_classes: ClassVar[Mapping[str, Any]] = {}
    for_numbers: ClassVar[Mapping[str, Any]] = {}
    """Defaults of arguments that are None, for targets of classes and of numbers."""
    sequential: ClassVar[bool | None] = False
    """Whether it takes sequences; None: both these and rows."""

    def __init__(self, *, spec: BatchSpec) -> None:
        super().__init__()
        if spec.n_num + spec.n_cat == 0:
            raise ConfigError(
                "there are no features to learn from: see data.exclude and the columns that `pipeline` dropped"
            )
        if spec.n_steps is not None and self.sequential is False:
            raise ConfigError("`data` gives sequences, but this model takes the rows of a table")
        if spec.n_steps is None and self.sequential:
            raise ConfigError("`data` gives the rows of a table, but this model takes series")
        self.out_shape = spec.out_shape
        self.n_num = spec.n_num
        self.cardinalities = spec.cardinalities

    @property
    def n_columns(self) -> int:
        """Encoded columns: numbers, then categories."""
        return self.n_num + len(self.cardinalities)

    @abstractmethod
    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """Fit one model for each problem, in the order of the outputs.

        Args:
            problems: what the task asks for; see :func:`~colonnade.baselines.problems.problems_of`.
            train: rows to fit on.
            val: rows by which to stop; None: there are none.
            job: seed, threads, device, and who is told of the rounds.
        """

    @abstractmethod
    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """Outputs of all problems side by side, ``(B, outputs)`` float32.

        Args:
            num: ``(B, [T,] F)`` float32.
            cat: ``(B, [T,] K)`` int64 codes.
        """

    def of_batch(self, batch: Batch) -> Tensor:
        """:meth:`raw` of a batch; for those that look at more of it than numbers and codes."""
        return self.raw(batch.num, batch.cat)

    def forward(self, batch: Batch) -> Output:
        """Raw outputs ``(B, 1, *out_shape)`` of a batch.

        Raises:
            RuntimeError: it was neither fitted nor loaded.
        """
        if any(buffer.numel() == 0 for buffer in self.buffers()):
            raise RuntimeError("fit the model, or load what was fitted, before it predicts")
        raw = self.of_batch(batch).to(batch.num.device, torch.float32)
        # The length of the batch would be a constant to an export.
        return Output(raw=raw.reshape(raw.shape[0], 1, *self.out_shape))

    def keep(self, **learned: np.ndarray | Tensor) -> None:
        """Set buffers to what was learned, whatever their shapes were before."""
        for name, value in learned.items():
            self._buffers[name] = torch.as_tensor(value).contiguous()
        self.forget()

    def forget(self) -> None:
        """Drop what was derived from the buffers; called when they change."""

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Take the shapes of what is loaded: they follow from the data that was fitted."""
        for name in self._buffers:
            stored = state_dict.get(prefix + name)
            if stored is not None:
                self._buffers[name] = torch.empty_like(stored, memory_format=torch.contiguous_format)
        super()._load_from_state_dict(state_dict, prefix, *args)
        self.forget()


class OfTrees(Baseline):
    """A baseline that is trees, in whatever form it keeps them."""

    @abstractmethod
    def trees(self) -> Trees:
        """All of them in one form, whose outputs :meth:`finished` takes."""

    def finished(self, sums: Tensor) -> Tensor:
        """Raw outputs ``(B, outputs)`` of what the leaves of a row add up to."""
        return sums

"""Boosted: what the three libraries of boosted trees share: a model for each problem, kept as its library writes it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Fitted, Job, OfTrees
from colonnade.baselines.problems import CLASSES, Problem, Rows
from colonnade.baselines.trees import Trees, joined
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec

# Arguments that are shares, and the least of those that begin above 0.
SHARES = ("learning_rate", "subsample", "colsample_bylevel", "colsample_bynode", "bagging_fraction", "feature_fraction")
AT_LEAST = {"max_depth": 1, "depth": 1, "num_leaves": 2, "max_bin": 2, "leaf_estimation_iterations": 1}


class Boosted(OfTrees):
    """Boosted trees: one model for each problem, each stopped by its own measure on the validation rows.

    A subclass implements ``_train``, ``_parse``, ``_margin``, ``_trees`` and ``_contributions``, and sets ``package``
    and ``suffix``.

    Args:
        spec: of the data.
        n_estimators: rounds at the most, from 1.
        patience: rounds without a better validation measure after which training stops; the best round is kept.
            None: never.
        given: the arguments of the library; those that are None are taken from ``for_classes`` or ``for_numbers``.

    Raises:
        MissingExtraError: the library is not installed.
        ValueError: ``n_estimators`` or ``patience`` below 1.
    """

    package: ClassVar[str]
    """The library's name."""
    suffix: ClassVar[str]
    """Ending of the library's model files."""

    def __init__(self, *, spec: BatchSpec, n_estimators: int, patience: int | None, given: Mapping[str, Any]) -> None:
        super().__init__(spec=spec)
        for name, value in (("n_estimators", n_estimators), ("patience", patience)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        self.n_estimators = n_estimators
        self.patience = patience
        self._given = dict(given)
        self._models: list[Any] | None = None
        # Told here, before any data is read.
        optional_import(self.package, "trees")
        n_models = 1 if spec.target_kind == "class" else int(np.prod(spec.out_shape))
        for i in range(n_models):
            self.register_buffer(f"model{i}", torch.empty(0, dtype=torch.uint8))

    @property
    def library(self) -> ModuleType:
        """The library's module, which is not kept: it could not be copied."""
        return optional_import(self.package, "trees")

    def options(self, problem: Problem) -> dict[str, Any]:
        """The arguments of the library, with the defaults for classes or for numbers."""
        defaults = self.for_classes if problem.kind in CLASSES else self.for_numbers
        return {k: defaults[k] if v is None and k in defaults else v for k, v in self._given.items()}

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class. Of several problems only the end of each is told of, without measures."""
        rounds, sizes = [], []
        for i, problem in enumerate(problems):
            alone = len(problems) == 1
            content, n_rounds, n_leaves = self._train(
                problem, train, val, job if alone else replace(job, report=lambda number, measures: False)
            )
            self.keep(**{f"model{i}": np.frombuffer(content, dtype=np.uint8).copy()})
            rounds.append(n_rounds)
            sizes.append(n_leaves)
            if not alone and job.report(i, {}):
                break
        return Fitted(rounds=max(1, round(float(np.mean(rounds)))), size=sum(sizes))

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class."""
        arrays = num.detach().cpu().numpy(), cat.detach().cpu().numpy()
        margins = [self._margin(model, *arrays).reshape(len(num), -1) for model in self._parsed()]
        return torch.from_numpy(np.concatenate(margins, axis=1).astype(np.float32, copy=False))

    def contributions(self, num: Tensor, cat: Tensor) -> Tensor:
        """SHAP values of the raw outputs by the library's own algorithm.

        Args:
            num: ``(B, F)`` float32.
            cat: ``(B, K)`` int64 codes.

        Returns:
            ``(B, outputs, F + K + 1)`` float64: what each encoded column adds, and last what they are counted from.
        """
        arrays = num.detach().cpu().numpy(), cat.detach().cpu().numpy()
        width = num.shape[1] + cat.shape[1] + 1
        found = [self._contributions(model, *arrays).reshape(len(num), -1, width) for model in self._parsed()]
        return torch.from_numpy(np.concatenate(found, axis=1).astype(np.float64, copy=False))

    def trees(self) -> Trees:
        """See the base class."""
        found = [
            self._trees(content).rebased(self.n_num, len(self.cardinalities), partial(self._margin, model))
            for content, model in zip(self.files().values(), self._parsed())
        ]
        return joined(found, self.n_columns)

    def _parsed(self) -> list[Any]:
        if self._models is None:
            self._models = [self._parse(content) for content in self.files().values()]
        return self._models

    def forget(self) -> None:
        """See the base class."""
        self._models = None

    def files(self) -> dict[str, bytes]:
        """The library's own model files, by name, in the order of the outputs."""
        return {
            f"{name}{self.suffix}": buffer.cpu().numpy().tobytes()
            for name, buffer in self._buffers.items()
            if buffer is not None
        }

    def export(self, folder: Path | str) -> list[Path]:
        """Write the library's own model files, to be read by the library itself; returns their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            (folder / name).write_bytes(content)
        return [folder / name for name in self.files()]

    def __getstate__(self) -> dict[str, Any]:
        """Without the parsed models, which are made again from the buffers."""
        return {**super().__getstate__(), "_models": None}

    @abstractmethod
    def _train(self, problem: Problem, train: Rows, val: Rows | None, job: Job) -> tuple[bytes, int, int]:
        """Train one model: its file up to the best round, the rounds in it, and its leaves."""

    @abstractmethod
    def _parse(self, content: bytes) -> Any:
        """A model from its file."""

    @abstractmethod
    def _margin(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        """Raw outputs of one model, ``(B,)`` or ``(B, C)``."""

    @abstractmethod
    def _trees(self, content: bytes) -> Trees:
        """The trees of one model, from its file; what their sums begin at is found out."""

    @abstractmethod
    def _contributions(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        """SHAP values of one model, whose last axes are outputs (if several) and columns, the base last."""


def side_by_side(num: np.ndarray, cat: np.ndarray) -> np.ndarray:
    """Numbers, then codes, as one matrix of float32."""
    return np.concatenate([num, cat.astype(np.float32)], axis=1) if cat.shape[1] else np.ascontiguousarray(num)


def check_ranges(given: dict[str, Any]) -> None:
    """Refuse values that a library of trees would refuse only once all data is read; None is left alone.

    Raises:
        ValueError: naming the argument, its value and its range.
    """
    for name, value in given.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if name in SHARES and not 0 < value <= 1:
            raise ValueError(f"{name} must lie in (0, 1], got {value}")
        if name in AT_LEAST and value < AT_LEAST[name]:
            raise ValueError(f"{name} must be {AT_LEAST[name]} or more, got {value}")
        if name not in SHARES and name not in AT_LEAST and value < 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")

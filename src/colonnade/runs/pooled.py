"""Pooled: what several runs predicted of the same rows, none of which any of them learned from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.runs.compare import Run
from colonnade.runs.load import Loaded
from colonnade.runs.predictions import WEIGHT
from colonnade.runs.stored import prediction_of, read_rows, truth_of, weight_of
from colonnade.tasks.base import Task
from colonnade.tasks.combine import WeightedMean

log = logging.getLogger(__name__)

# What stands for the loss of a training, which no prediction tells.
LOSSES = ("log_loss", "pinball_loss", "rmse")


@dataclass
class Pooled:
    """Predictions of ``M`` runs for ``N`` rows.

    Args:
        predictions: of each run, without labels.
        truth: as ``Task.truth`` gives it.
        weight: ``(N,)`` sample weights; None means one.
        row_id: ``(N,)``.
        columns: of truth and weight, as ``predictions.parquet`` has them.
        task: of the first run, set up.
        spec: of the first run.
    """

    predictions: list[dict[str, Tensor]]
    truth: Tensor
    weight: Tensor | None
    row_id: np.ndarray
    columns: list[pl.Series]
    task: Task
    spec: BatchSpec
    measure: str = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        key = self.task.monitor.removeprefix("val/")
        if key == "loss":
            key = next(name for name in LOSSES if name in self.task.measures)
        self.key = key
        self.measure = key if key in self.task.measures else key.split("/")[0]

    def __len__(self) -> int:
        return len(self.row_id)

    @classmethod
    def read(cls, part: str, runs: Sequence[Run], loaded: Sequence[Loaded]) -> Pooled | None:
        """The rows of a part that all runs predicted; None where there are none.

        Args:
            part: ``val``: rows that only some have are left out; or ``test``: all must have the same.
            runs: their folders.
            loaded: the same, loaded.

        Raises:
            ConfigError: other test rows, or another truth for a row, than in the first run.
            RunFolderError: stored predictions are missing or damaged.
        """
        frames = [read_rows(run.folder.path, part) for run in runs]
        ids = [frame["row_id"].to_numpy() for frame in frames]
        shared = reduce(np.intersect1d, ids)
        if part == "test":
            _same_rows(runs, ids)
        elif len(shared) and len(shared) < max(map(len, ids)):
            log.info("weights are found on the %d rows that no run learned from, and all predicted", len(shared))
        if not len(shared):
            return None
        frames = [frame.filter(pl.Series(np.isin(own, shared))) for frame, own in zip(frames, ids)]
        spec, task = loaded[0].spec, loaded[0].task
        truth = truth_of(frames[0], spec)
        for run, frame in zip(runs[1:], frames[1:]):
            other = truth_of(frame, spec)
            # Truth passes through the scale of the target, which rounds.
            if not torch.allclose(other.double(), truth.double(), rtol=1e-5, equal_nan=True):
                raise ConfigError(f"'{run.name}': the same rows have another truth than in '{runs[0].name}'")
        predictions = [prediction_of(frame, spec) for frame in frames]
        for run, prediction in zip(runs[1:], predictions[1:]):
            if {k: v.shape for k, v in prediction.items()} != {k: v.shape for k, v in predictions[0].items()}:
                raise ConfigError(f"'{run.name}' predicts other quantiles than '{runs[0].name}'")
        kept = [name for name in frames[0].columns if name == WEIGHT or name == "target" or name.startswith("target/")]
        columns = [frames[0][name] for name in kept]
        return cls(predictions, truth, weight_of(frames[0]), shared, columns, task, spec)

    def cost(self, weights: np.ndarray) -> float:
        """What the task monitors, of the weighted mean; turned so that less is better."""
        chosen = np.flatnonzero(weights)
        mean = WeightedMean(self.spec.target_kind, torch.from_numpy(weights[chosen]))
        value = self._measured(mean([self.predictions[i] for i in chosen]))
        return value if self.task.mode == "min" else -value

    def monitored(self, i: int) -> float:
        """What the task monitors, of one run."""
        alone = WeightedMean(self.spec.target_kind, torch.ones(1))
        return self._measured(alone([self.predictions[i]]))

    def _measured(self, prediction: dict[str, Tensor]) -> float:
        return self.task.measured(prediction, self.truth, self.weight, [self.measure])[self.key]


def _same_rows(runs: Sequence[Run], ids: Sequence[np.ndarray]) -> None:
    for run, own in zip(runs, ids):
        if not np.array_equal(own, ids[0]):
            shared = np.intersect1d(own, ids[0])
            raise ConfigError(
                f"'{run.name}' was tested on {len(own):,} rows, '{runs[0].name}' on {len(ids[0]):,}, and the two "
                f"share {len(shared):,}: runs with one seed= or split.seed=, or with an official split, have the same; "
                "a cross-validation holds those of the split out with cv.hold_out=split"
            )

"""BaselineModule: what SupervisedModule is to a network, to a model that is fitted at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import CLASSES, Problem, Rows, problems_of
from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError, DataError
from colonnade.core.spec import BatchSpec
from colonnade.data.sequences.store import SequenceStore
from colonnade.data.sequences.windows import WindowStore
from colonnade.data.store import Rows as Stored
from colonnade.tasks.base import Task
from colonnade.training.collect import Collected, Collector, forward_raw
from colonnade.training.optim import OptimizerBuilder


class BaselineModule:
    """Fits a baseline on a task.

    Args:
        network: the baseline.
        task: loss, decoding and metrics, set up.
        optim: of networks; a baseline has no optimizer.
        spec: of the data, with ``out_shape``.
        seed: of the fit.

    Raises:
        ConfigError: ``model:`` is no baseline, or cannot learn what the task asks for.
    """

    def __init__(
        self, *, network: Baseline, task: Task, optim: OptimizerBuilder, spec: BatchSpec, seed: int = 0
    ) -> None:
        if not isinstance(network, Baseline):
            raise ConfigError(
                f"module: fits a baseline, such as model=xgboost, but `model` is a {type(network).__name__}"
            )
        self.network = network
        self.task = task
        self.spec = spec
        self.seed = seed
        self.problems = problems_of(task, spec)
        unknown = sorted({problem.kind for problem in self.problems} - network.kinds)
        if unknown:
            raise ConfigError(
                f"task={task.name}: {type(network).__name__} does not learn the loss '{unknown[0]}'; it learns "
                f"{', '.join(sorted(network.kinds))}"
            )

    def fit(self, train: Stored, val: Stored, job: Job, *, balanced: bool = False) -> Fitted:
        """Fit on the train rows; stop by the validation rows, where there are any.

        Args:
            train: encoded train rows.
            val: encoded validation rows, perhaps none.
            job: threads, device, and who is told of the rounds; its seed is that of this module.
            balanced: let all classes weigh the same in total, as ``loader.balanced`` draws them equally often.

        Raises:
            DataError: a label is the same in all train rows.
        """
        rows = rows_of(train)
        if balanced and self.problems[0].kind in CLASSES:
            counts = np.bincount(rows.target, minlength=len(self.spec.classes))
            even = (len(rows) / (len(counts) * np.maximum(counts, 1)))[rows.target].astype(np.float32)
            rows = replace(rows, weight=even if rows.weight is None else even * rows.weight)
        for problem in self.problems:
            self._refuse_constant(problem, rows)
        job = replace(job, seed=self.seed)
        return self.network.fit(self.problems, rows, rows_of(val) if len(val) else None, job)

    def _refuse_constant(self, problem: Problem, rows: Rows) -> None:
        """Refuse a label that no row, or every row, has: most of the libraries do, each in its own words."""
        if problem.kind != "binary":
            return
        target = problem.target(rows)
        counted = target if rows.weight is None else target[rows.weight > 0]
        if counted.min() == counted.max():
            name = self.spec.target_names[problem.column or 0]
            raise DataError(
                f"target '{name}' is {counted[0]} in all train rows that count: leave it out, or use a network"
            )

    def collect(self, loader: Iterable[Batch]) -> Collected:
        """Raw outputs for all rows of ``loader``."""
        collector = Collector(self.spec.out_shape)
        with torch.inference_mode():
            for batch in loader:
                collector.add(forward_raw(self.network, batch, None), batch)
        return collector.finish()

    def network_state(self) -> dict[str, Tensor]:
        """What was learned, on the processor."""
        return {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}


def rows_of(store: Stored) -> Rows:
    """Encoded rows as arrays; of windows the steps of all parts, what is forecast, and where this part lies."""
    assert store.target is not None
    weight = None if store.weight is None else store.weight.cpu().numpy()
    spans = store.spans.cpu().numpy() if isinstance(store, SequenceStore | WindowStore) else None
    return Rows(store.num.cpu().numpy(), store.cat.cpu().numpy(), store.target.cpu().numpy(), weight, spans)

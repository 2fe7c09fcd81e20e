"""CatBoost (Prokhorenkova et al., NeurIPS 2018): boosted oblivious trees; categories by ordered target statistics."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.boosted import Boosted, check_ranges
from colonnade.baselines.catboost_trees import trees_of
from colonnade.baselines.problems import Problem, Rows
from colonnade.baselines.trees import Trees
from colonnade.core.spec import BatchSpec
from colonnade.training.signals import StopSignals

LOSSES = {
    "binary": "Logloss",
    "multiclass": "MultiClass",
    "mse": "RMSE",
    "mae": "MAE",
    "huber": "Huber:delta={}",
    "quantile": "Quantile:alpha={}",
}
METRICS = {
    # Of its measures this one alone leaves the weights of the rows aside unless it is told.
    "auroc": "AUC:use_weights=true",
    "accuracy": "Accuracy",
    "rmse": "RMSE",
    "mae": "MAE",
}


class CatBoost(Boosted):
    """CatBoost with the tuned defaults of pytabkit (Holzmueller et al., NeurIPS 2024, arXiv:2407.04491).

    Args:
        spec: of the data.
        n_estimators: rounds at the most.
        patience: see :class:`~colonnade.baselines.boosted.Boosted`.
        learning_rate: None: .08 for classes, .09 for numbers.
        depth: None: 7 for classes, 9 for numbers.
        l2_leaf_reg: L2 penalty of the leaves.
        subsample: share of the rows of a tree.
        random_strength: noise in the scores of splits; None: .8 for classes, 0 for numbers.
        one_hot_max_size: levels up to which a category is split one against the rest; None: 15 for classes, 20 for
            numbers.
        leaf_estimation_iterations: Newton steps for the values of leaves; None: 1 for classes, 20 for numbers.
        colsample_bylevel: share of the columns of a level.
        grow_policy: ``SymmetricTree``, ``Depthwise`` or ``Lossguide``.
        max_bin: bins of a number.

    Raises:
        MissingExtraError: catboost is not installed.
        ValueError: an argument is out of range.
    """

    package = "catboost"
    suffix = ".cbm"
    for_classes = {
        "learning_rate": 0.08,
        "depth": 7,
        "random_strength": 0.8,
        "one_hot_max_size": 15,
        "leaf_estimation_iterations": 1,
    }
    for_numbers = {
        "learning_rate": 0.09,
        "depth": 9,
        "random_strength": 0.0,
        "one_hot_max_size": 20,
        "leaf_estimation_iterations": 20,
    }

    def __init__(
        self,
        *,
        spec: BatchSpec,
        n_estimators: int = 1000,
        patience: int | None = 300,
        learning_rate: float | None = None,
        depth: int | None = None,
        l2_leaf_reg: float = 1e-5,
        subsample: float = 0.9,
        random_strength: float | None = None,
        one_hot_max_size: int | None = None,
        leaf_estimation_iterations: int | None = None,
        colsample_bylevel: float = 1.0,
        grow_policy: str = "SymmetricTree",
        max_bin: int = 254,
    ) -> None:
        given = {
            "learning_rate": learning_rate,
            "depth": depth,
            "l2_leaf_reg": l2_leaf_reg,
            "subsample": subsample,
            "random_strength": random_strength,
            "one_hot_max_size": one_hot_max_size,
            "leaf_estimation_iterations": leaf_estimation_iterations,
            "colsample_bylevel": colsample_bylevel,
            "grow_policy": grow_policy,
            "max_bin": max_bin,
        }
        check_ranges(given)
        if depth is not None and depth > 16:
            raise ValueError(f"depth must be 16 or less, got {depth}")
        if grow_policy not in ("SymmetricTree", "Depthwise", "Lossguide"):
            raise ValueError(f"grow_policy must be SymmetricTree, Depthwise or Lossguide, got {grow_policy!r}")
        super().__init__(spec=spec, n_estimators=n_estimators, patience=patience, given=given)
        self._levels = np.array([b"%d" % i for i in range(max(spec.cardinalities, default=0))], dtype=object)

    def parameters_for(self, problem: Problem, job: Job) -> dict[str, Any]:
        """What ``catboost.CatBoost`` is given for a problem."""
        loss = LOSSES[problem.kind].format(problem.parameter)
        parameters = {
            **self.options(problem),
            "loss_function": loss,
            "eval_metric": METRICS.get(problem.watch, loss),
            "iterations": self.n_estimators,
            "boosting_type": "Plain",
            "bootstrap_type": "Bernoulli",
            "thread_count": job.threads,
            "random_seed": job.seed,
            "task_type": "GPU" if job.device == "cuda" else "CPU",
            # It would leave a folder where the program runs.
            "allow_writing_files": False,
            "verbose": False,
        }
        if job.device == "cuda":
            # Not offered there for anything but pairwise losses.
            parameters.pop("colsample_bylevel")
        if problem.kind == "multiclass":
            parameters["classes_count"] = problem.n_classes
        return parameters

    def _train(self, problem: Problem, train: Rows, val: Rows | None, job: Job) -> tuple[bytes, int, int]:
        parameters = self.parameters_for(problem, job)
        # It makes a KeyboardInterrupt of whatever a handler raises: signals are noted, and raised when it has ended.
        signals = StopSignals()
        rounds = _Rounds(problem, job, parameters["eval_metric"], signals)
        model = self.library.CatBoost(parameters)
        stop = val is not None and self.patience is not None
        rows = self._pool(train.num, train.cat, problem.target(train), problem.weight(train, train=True))
        held = None
        if val is not None:
            held = self._pool(val.num, val.cat, problem.target(val), problem.weight(val, train=False))
        # On a GPU the library takes no callbacks, which could end it.
        on_cpu = job.device == "cpu"
        if on_cpu:
            signals.install()
        try:
            model.fit(
                rows,
                eval_set=held,
                use_best_model=stop,
                early_stopping_rounds=self.patience if stop else None,
                callbacks=[rounds] if on_cpu else None,
            )
        finally:
            signals.remove()
        if signals.received is not None:
            signal.raise_signal(signals.received)
        if not on_cpu:
            rounds.all(model.get_evals_result())
        return bytes(model._serialize_model()), int(model.tree_count_), int(np.sum(model.get_tree_leaf_counts()))

    def _parse(self, content: bytes) -> Any:
        return self.library.CatBoost().load_model(blob=content)

    def _margin(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        margin: np.ndarray = model.predict(
            self._pool(num, cat), prediction_type="RawFormulaVal", thread_count=torch.get_num_threads()
        )
        return margin

    def _contributions(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        found: np.ndarray = model.get_feature_importance(
            self._pool(num, cat), type="ShapValues", thread_count=torch.get_num_threads()
        )
        return found

    def _trees(self, content: bytes) -> Trees:
        codes = np.arange(len(self._levels))[:, None].repeat(len(self.cardinalities), axis=1)
        every = self._pool(np.zeros((len(codes), self.n_num), np.float32), codes) if codes.size else None
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            self._parse(content).save_model(path, format="json", pool=every)
            model = json.loads(path.read_text(encoding="utf-8"))
        return trees_of(model, n_num=self.n_num, cardinalities=self.cardinalities)

    def _pool(
        self, num: np.ndarray, cat: np.ndarray, target: np.ndarray | None = None, weight: np.ndarray | None = None
    ) -> Any:
        """Rows as the library takes them: codes as texts, in an array of their own."""
        features = self.library.FeaturesData(
            num_feature_data=np.ascontiguousarray(num) if num.shape[1] else None,
            cat_feature_data=self._levels[cat] if cat.shape[1] else None,
        )
        return self.library.Pool(features, label=target, weight=weight)


class _Rounds:
    """A callback of the library that reports each round."""

    def __init__(self, problem: Problem, job: Job, metric: str, signals: StopSignals) -> None:
        self.problem = problem
        self.job = job
        self.metric = metric
        self.signals = signals

    def after_iteration(self, info: Any) -> bool:
        values = info.metrics.get("validation", {}).get(self.metric)
        # The library counts its rounds from 1.
        return not self._told(info.iteration - 1, values) and self.signals.received is None

    def all(self, results: dict[str, dict[str, list[float]]]) -> None:
        """Report all rounds at once."""
        values = results.get("validation", {}).get(self.metric, [])
        for i in range(len(values)):
            self._told(i, values[: i + 1])

    def _told(self, number: int, values: list[float] | None) -> bool:
        return self.job.report(number, self.problem.measures(float(values[-1])) if values else {})

"""XGBoost (Chen and Guestrin, KDD 2016): boosted trees of histograms; categories are split natively."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.boosted import Boosted, check_ranges, side_by_side
from colonnade.baselines.problems import Problem, Rows
from colonnade.baselines.trees import Nodes, Set, Trees, grown
from colonnade.core.spec import BatchSpec

OBJECTIVES = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "mse": "reg:squarederror",
    "mae": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
}
METRICS = {"auroc": "auc", "rmse": "rmse", "mae": "mae", "quantile": "quantile"}
OF_CLASSES = {
    "binary": {"log_loss": "logloss", "accuracy": "error"},
    "multiclass": {"log_loss": "mlogloss", "accuracy": "merror"},
}


class XGBoost(Boosted):
    """XGBoost with the tuned defaults of pytabkit (Holzmueller et al., NeurIPS 2024, arXiv:2407.04491).

    Args:
        spec: of the data.
        n_estimators: rounds at the most.
        patience: see :class:`~colonnade.baselines.boosted.Boosted`.
        learning_rate: None: .08 for classes, .05 for numbers.
        max_depth: None: 6 for classes, 9 for numbers.
        min_child_weight: None: 5e-6 for classes, 2 for numbers.
        subsample: share of the rows of a tree; None: .65 for classes, .7 for numbers.
        colsample_bylevel: share of the columns of a level; None: .9 for classes, 1 for numbers.
        colsample_bynode: share of the columns of a split.
        reg_alpha, reg_lambda: L1 and L2 penalties of the leaves.
        max_bin: bins of a number.
        max_cat_to_onehot: levels up to which a category is split one against the rest.

    Raises:
        MissingExtraError: xgboost is not installed.
        ValueError: an argument is out of range.
    """

    package = "xgboost"
    suffix = ".ubj"
    for_classes = {
        "learning_rate": 0.08,
        "max_depth": 6,
        "min_child_weight": 5e-6,
        "subsample": 0.65,
        "colsample_bylevel": 0.9,
    }
    for_numbers = {
        "learning_rate": 0.05,
        "max_depth": 9,
        "min_child_weight": 2.0,
        "subsample": 0.7,
        "colsample_bylevel": 1.0,
    }

    def __init__(
        self,
        *,
        spec: BatchSpec,
        n_estimators: int = 1000,
        patience: int | None = 300,
        learning_rate: float | None = None,
        max_depth: int | None = None,
        min_child_weight: float | None = None,
        subsample: float | None = None,
        colsample_bylevel: float | None = None,
        colsample_bynode: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        max_bin: int = 256,
        max_cat_to_onehot: int = 4,
    ) -> None:
        given = {
            "learning_rate": learning_rate,
            "max_depth": max_depth,
            "min_child_weight": min_child_weight,
            "subsample": subsample,
            "colsample_bylevel": colsample_bylevel,
            "colsample_bynode": colsample_bynode,
            "reg_alpha": reg_alpha,
            "reg_lambda": reg_lambda,
            "max_bin": max_bin,
            "max_cat_to_onehot": max_cat_to_onehot,
        }
        check_ranges(given)
        super().__init__(spec=spec, n_estimators=n_estimators, patience=patience, given=given)

    def parameters_for(self, problem: Problem, job: Job) -> dict[str, Any]:
        """What ``xgboost.train`` is given for a problem."""
        metrics = METRICS | OF_CLASSES.get(problem.kind, {})
        parameters = {
            **self.options(problem),
            "objective": OBJECTIVES[problem.kind],
            "eval_metric": metrics[problem.watch],
            "tree_method": "hist",
            "device": job.device,
            "nthread": job.threads,
            "seed": job.seed,
            "verbosity": 0,
        }
        match problem.kind:
            case "multiclass":
                parameters["num_class"] = problem.n_classes
            case "huber":
                parameters["huber_slope"] = problem.parameter
            case "quantile":
                parameters["quantile_alpha"] = problem.parameter
        return parameters

    def _train(self, problem: Problem, train: Rows, val: Rows | None, job: Job) -> tuple[bytes, int, int]:
        rounds = _rounds(self.library, problem, job)
        callbacks = [rounds]
        maximise = problem.watch == "auroc"
        if val is not None and self.patience is not None:
            stop = self.library.callback.EarlyStopping(rounds=self.patience, maximize=maximise, save_best=True)
            callbacks.append(stop)
        booster = self.library.train(
            self.parameters_for(problem, job),
            self._matrix(train.num, train.cat, job.threads, problem.target(train), problem.weight(train, train=True)),
            num_boost_round=self.n_estimators,
            evals=[]
            if val is None
            else [
                (
                    self._matrix(val.num, val.cat, job.threads, problem.target(val), problem.weight(val, train=False)),
                    "val",
                )
            ],
            callbacks=callbacks,
            verbose_eval=False,
        )
        leaves = sum(tree.count("leaf=") for tree in booster.get_dump())
        return bytes(booster.save_raw("ubj")), booster.num_boosted_rounds(), leaves

    def _parse(self, content: bytes) -> Any:
        return self.library.Booster(model_file=bytearray(content))

    def _margin(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        threads = torch.get_num_threads()
        model.set_param({"nthread": threads})
        margin: np.ndarray = model.predict(self._matrix(num, cat, threads), output_margin=True)
        return margin

    def _contributions(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        threads = torch.get_num_threads()
        model.set_param({"nthread": threads})
        found: np.ndarray = model.predict(self._matrix(num, cat, threads), pred_contribs=True)
        return found

    def _trees(self, content: bytes) -> Trees:
        learner = json.loads(self._parse(content).save_raw("json"))["learner"]
        model = learner["gradient_booster"]["model"]
        sets: dict[Set, int] = {}
        nodes = [self._nodes(tree, sets) for tree in model["trees"]]
        output = [int(i) for i in model["tree_info"]]
        return grown(nodes, output, n_columns=self.n_columns, n_outputs=max(output) + 1, sets=sets)

    def _nodes(self, tree: Mapping[str, Any], sets: dict[Set, int]) -> Nodes:
        left, right = (np.array(tree[f"{side}_children"], np.int64) for side in ("left", "right"))
        own, leaf = np.arange(len(left)), left < 0
        limit = np.array(tree["split_conditions"], np.float32)
        feature = np.array(tree["split_indices"], np.int64)
        # Here a row goes left below the threshold, not at it.
        threshold = np.nextafter(limit, np.float32(-np.inf))
        for node, start, size in zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"]):
            asked = int(feature[node]) - self.n_num, tuple(sorted(tree["categories"][start : start + size]))
            feature[node] = sets.setdefault(asked, self.n_columns + len(sets))
            threshold[node] = 0.5
        return Nodes(
            feature=np.where(leaf, 0, feature),
            threshold=threshold,
            left=np.where(leaf, own, left),
            right=np.where(leaf, own, right),
            missing=np.array(tree["default_left"], bool),
            value=np.where(leaf, limit, 0)[:, None].astype(np.float64),
        )

    def _matrix(
        self,
        num: np.ndarray,
        cat: np.ndarray,
        threads: int,
        target: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Any:
        return self.library.DMatrix(
            side_by_side(num, cat),
            label=target,
            weight=weight,
            feature_types=["q"] * num.shape[1] + ["c"] * cat.shape[1],
            enable_categorical=True,
            nthread=threads,
        )


def _rounds(xgboost: Any, problem: Problem, job: Job) -> Any:
    """A callback of the library that reports each round."""

    class Rounds(xgboost.callback.TrainingCallback):
        asked = False

        def before_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[float]]]) -> bool:
            # Not after the round, where a callback that ends the training keeps those behind it from being called.
            return self.asked

        def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[float]]]) -> bool:
            measures = {}
            for values in evals_log.get("val", {}).values():
                value = float(values[-1])
                # The library counts errors.
                measures = problem.measures(1 - value if problem.watch == "accuracy" else value)
            self.asked = job.report(epoch, measures)
            return False

    return Rounds()

"""LightGBM (Ke et al., NeurIPS 2017): boosted trees that grow leaf by leaf; categories are split natively."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.boosted import Boosted, check_ranges, side_by_side
from colonnade.baselines.problems import Problem, Rows
from colonnade.baselines.trees import Nodes, Set, Trees, float32_below, grown
from colonnade.core.spec import BatchSpec

OBJECTIVES = {
    "binary": "binary",
    "multiclass": "multiclass",
    "mse": "regression",
    "mae": "regression_l1",
    "huber": "huber",
    "quantile": "quantile",
}
METRICS = {"auroc": "auc", "rmse": "rmse", "mae": "l1", "quantile": "quantile"}
OF_CLASSES = {
    "binary": {"log_loss": "binary_logloss", "accuracy": "binary_error"},
    "multiclass": {"log_loss": "multi_logloss", "accuracy": "multi_error"},
}


class LightGBM(Boosted):
    """LightGBM with the tuned defaults of pytabkit (Holzmueller et al., NeurIPS 2024, arXiv:2407.04491).

    It runs on the CPU: the ordinary wheel has no CUDA.

    Args:
        spec: of the data.
        n_estimators: rounds at the most.
        patience: see :class:`~colonnade.baselines.boosted.Boosted`.
        learning_rate: None: .04 for classes, .05 for numbers.
        num_leaves: None: 50 for classes, 100 for numbers.
        min_data_in_leaf: None: 40 for classes, 3 for numbers.
        bagging_fraction: share of the rows of a tree; None: .75 for classes, .7 for numbers.
        feature_fraction: share of the columns of a tree.
        lambda_l1, lambda_l2: penalties of the leaves.
        min_sum_hessian_in_leaf: least weight of a leaf.
        max_bin: bins of a number.
        extra_trees: split at random thresholds.

    Raises:
        MissingExtraError: lightgbm is not installed.
        ValueError: an argument is out of range.
    """

    package = "lightgbm"
    suffix = ".txt"
    for_classes = {"learning_rate": 0.04, "num_leaves": 50, "min_data_in_leaf": 40, "bagging_fraction": 0.75}
    for_numbers = {"learning_rate": 0.05, "num_leaves": 100, "min_data_in_leaf": 3, "bagging_fraction": 0.7}

    def __init__(
        self,
        *,
        spec: BatchSpec,
        n_estimators: int = 1000,
        patience: int | None = 300,
        learning_rate: float | None = None,
        num_leaves: int | None = None,
        min_data_in_leaf: int | None = None,
        bagging_fraction: float | None = None,
        feature_fraction: float = 1.0,
        lambda_l1: float = 0.0,
        lambda_l2: float = 0.0,
        min_sum_hessian_in_leaf: float = 1e-7,
        max_bin: int = 255,
        extra_trees: bool = False,
    ) -> None:
        given = {
            "learning_rate": learning_rate,
            "num_leaves": num_leaves,
            "min_data_in_leaf": min_data_in_leaf,
            "bagging_fraction": bagging_fraction,
            "feature_fraction": feature_fraction,
            "lambda_l1": lambda_l1,
            "lambda_l2": lambda_l2,
            "min_sum_hessian_in_leaf": min_sum_hessian_in_leaf,
            "max_bin": max_bin,
            "extra_trees": extra_trees,
        }
        check_ranges(given)
        super().__init__(spec=spec, n_estimators=n_estimators, patience=patience, given=given)

    def parameters_for(self, problem: Problem, job: Job) -> dict[str, Any]:
        """What ``lightgbm.train`` is given for a problem."""
        metrics = METRICS | OF_CLASSES.get(problem.kind, {})
        parameters = {
            **self.options(problem),
            "objective": OBJECTIVES[problem.kind],
            "metric": metrics[problem.watch],
            "bagging_freq": 1,
            "num_threads": job.threads,
            "seed": job.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        if problem.kind == "multiclass":
            parameters["num_class"] = problem.n_classes
        elif problem.kind in ("huber", "quantile"):
            parameters["alpha"] = problem.parameter
        return parameters

    def _train(self, problem: Problem, train: Rows, val: Rows | None, job: Job) -> tuple[bytes, int, int]:
        parameters = self.parameters_for(problem, job)
        rows = self._dataset(train, problem, parameters, train=True)
        callbacks = [_rounds(self.library, problem, job)]
        if val is not None and self.patience is not None:
            callbacks.append(self.library.early_stopping(self.patience, verbose=False))
        booster = self.library.train(
            parameters,
            rows,
            num_boost_round=self.n_estimators,
            valid_sets=[] if val is None else [self._dataset(val, problem, parameters, train=False, reference=rows)],
            valid_names=[] if val is None else ["val"],
            callbacks=callbacks,
        )
        kept = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        text = booster.model_to_string(num_iteration=kept)
        leaves = sum(int(line.partition("=")[2]) for line in text.splitlines() if line.startswith("num_leaves="))
        return text.encode(), kept, leaves

    def _parse(self, content: bytes) -> Any:
        return self.library.Booster(model_str=content.decode())

    def _margin(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        margin: np.ndarray = model.predict(side_by_side(num, cat), raw_score=True, num_threads=torch.get_num_threads())
        return margin

    def _contributions(self, model: Any, num: np.ndarray, cat: np.ndarray) -> np.ndarray:
        found: np.ndarray = model.predict(
            side_by_side(num, cat), pred_contrib=True, num_threads=torch.get_num_threads()
        )
        return found

    def _trees(self, content: bytes) -> Trees:
        head, *blocks = content.decode().partition("\nend of trees")[0].split("\nTree=")
        n_outputs = int(_fields(head)["num_tree_per_iteration"])
        sets: dict[Set, int] = {}
        nodes = [self._nodes(_fields(block), sets) for block in blocks]
        output = [i % n_outputs for i in range(len(nodes))]
        return grown(nodes, output, n_columns=self.n_columns, n_outputs=n_outputs, sets=sets)

    def _nodes(self, tree: Mapping[str, str], sets: dict[Set, int]) -> Nodes:
        value = _numbers(tree, "leaf_value")
        n_splits, n_leaves = len(value) - 1, len(value)
        # Splits come first; leaf i is written as -1 - i, and is its own child here.
        left, right = (
            np.concatenate([np.where(to < 0, n_splits - 1 - to, to), n_splits + np.arange(n_leaves)])
            for to in (_numbers(tree, f"{side}_child").astype(np.int64) for side in ("left", "right"))
        )
        kind, limit = _numbers(tree, "decision_type").astype(np.int64), _numbers(tree, "threshold")
        feature = _numbers(tree, "split_feature").astype(np.int64)
        threshold = float32_below(limit)
        # Where no number was missing in training, a missing one counts as 0.
        missing = np.where(kind >> 2 & 3, kind >> 1 & 1, limit >= 0).astype(bool)
        bounds, masks = (_numbers(tree, f"cat_{name}").astype(np.int64) for name in ("boundaries", "threshold"))
        for node in np.flatnonzero(kind & 1):
            words = masks[bounds[int(limit[node])] : bounds[int(limit[node]) + 1]]
            codes = tuple(32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1)
            feature[node] = sets.setdefault((int(feature[node]) - self.n_num, codes), self.n_columns + len(sets))
            threshold[node] = 0.5
            # Here what is in the set goes left.
            left[node], right[node] = right[node], left[node]
        of_leaves = np.zeros(n_leaves)
        return Nodes(
            feature=np.concatenate([feature, of_leaves.astype(np.int64)]),
            threshold=np.concatenate([threshold, of_leaves.astype(np.float32)]),
            left=left,
            right=right,
            missing=np.concatenate([missing, of_leaves.astype(bool)]),
            value=np.concatenate([np.zeros(n_splits), value])[:, None],
        )

    def _dataset(
        self, rows: Rows, problem: Problem, parameters: dict[str, Any], *, train: bool, reference: Any = None
    ) -> Any:
        n_num, n_cat = rows.num.shape[1], rows.cat.shape[1]
        return self.library.Dataset(
            side_by_side(rows.num, rows.cat),
            label=problem.target(rows),
            weight=problem.weight(rows, train=train),
            categorical_feature=list(range(n_num, n_num + n_cat)),
            reference=reference,
            params=parameters,
        )


def _rounds(lightgbm: Any, problem: Problem, job: Job) -> Any:
    """A callback of the library that reports each round."""

    def rounds(env: Any) -> None:
        measures = {}
        for entry in env.evaluation_result_list or ():
            # The library counts errors.
            measures = problem.measures(1 - entry[2] if problem.watch == "accuracy" else float(entry[2]))
        if job.report(env.iteration, measures):
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    return rounds


def _fields(text: str) -> dict[str, str]:
    """``name=value`` of each line."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _numbers(fields: Mapping[str, str], name: str) -> np.ndarray:
    """The numbers of a field, ``(n,)`` float64; none where there is no such field."""
    return np.array(fields.get(name, "").split(), np.float64)

"""Random forest (Breiman, 2001) by scikit-learn, kept as plain arrays and evaluated by torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.base import Fitted, Job, OfTrees
from colonnade.baselines.boosted import side_by_side
from colonnade.baselines.problems import CLASSES, Problem, Rows
from colonnade.baselines.trees import Nodes, Trees, float32_below
from colonnade.core.spec import BatchSpec

# Where no tree gives a class any weight its probability is 0, of which there is no logarithm.
LEAST = torch.finfo(torch.float32).eps
# Rows that go down the trees together: their places in all trees stay in the processor's cache.
BLOCK = 256


class RandomForest(OfTrees):
    """Trees on bootstrapped rows, averaged. Categories are split by their codes, as numbers.

    Defaults are those of AutoGluon's random forest: 300 trees of at most 15,000 leaves. Nothing is stopped by the
    validation rows. Quantiles and the Huber loss are not offered.

    Args:
        spec: of the data.
        n_estimators: trees, from 1.
        max_leaf_nodes: leaves of a tree at the most, from 2; None: no limit.
        min_samples_leaf: rows of a leaf at the least, from 1.
        max_features: columns that a split chooses from: ``sqrt``, ``log2`` or a share; None: ``sqrt`` for classes, all
            for numbers, as in scikit-learn.
        max_samples: share of the rows of a bootstrap, in ``(0, 1]``.

    Raises:
        ValueError: an argument is out of range.
    """

    kinds = frozenset({"binary", "multiclass", "mse", "mae"})
    for_classes = {"max_features": "sqrt"}
    for_numbers = {"max_features": 1.0}

    def __init__(
        self,
        *,
        spec: BatchSpec,
        n_estimators: int = 300,
        max_leaf_nodes: int | None = 15000,
        min_samples_leaf: int = 1,
        max_features: str | float | None = None,
        max_samples: float = 1.0,
    ) -> None:
        super().__init__(spec=spec)
        for name, value, least in (
            ("n_estimators", n_estimators, 1),
            ("max_leaf_nodes", max_leaf_nodes, 2),
            ("min_samples_leaf", min_samples_leaf, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")
        if not 0 < max_samples <= 1:
            raise ValueError(f"max_samples must lie in (0, 1], got {max_samples}")
        if isinstance(max_features, str):
            if max_features not in ("sqrt", "log2"):
                raise ValueError(f"max_features must be sqrt, log2 or a share in (0, 1], got {max_features!r}")
        elif max_features is not None and not 0 < max_features <= 1:
            raise ValueError(f"max_features must be sqrt, log2 or a share in (0, 1], got {max_features}")
        self.n_estimators = n_estimators
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.max_samples = max_samples
        self.classes = spec.target_kind != "real"
        self._depth: int | None = None
        for name in ("child", "feature", "threshold", "value", "root"):
            self.register_buffer(name, torch.empty(0))

    @property
    def depth(self) -> int:
        """Splits between a root and the leaf farthest from it."""
        if self._depth is None:
            child, nodes = self.child.cpu().numpy(), self.root.flatten().cpu().numpy()  # type: ignore[operator]
            self._depth = 0
            # A leaf is its own child.
            while len(nodes := np.setdiff1d(child[nodes], nodes)):
                self._depth += 1
        return self._depth

    def forget(self) -> None:
        """See the base class."""
        self._depth = None

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class."""
        features = side_by_side(train.num, train.cat)
        forests = [self._grow(problem, features, train, job) for problem in problems]
        trees = [tree.tree_ for forest in forests for tree in forest.estimators_]
        starts = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])])
        leaf = [tree.children_left < 0 for tree in trees]
        itself = [np.arange(tree.node_count) for tree in trees]
        # A leaf is its own child, so that rows may go on until the deepest tree is done.
        child = [
            np.stack([np.where(end, own, side) for side in (tree.children_left, tree.children_right)], axis=1) + start
            for tree, end, own, start in zip(trees, leaf, itself, starts)
        ]
        self.keep(
            child=np.concatenate(child).astype(np.int32),
            feature=np.concatenate([np.where(end, 0, tree.feature) for tree, end in zip(trees, leaf)]).astype(np.int32),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            value=np.concatenate([tree.value[:, 0] for tree in trees]).astype(np.float32),
            root=starts[:-1].reshape(len(forests), -1).astype(np.int32),
        )
        return Fitted(rounds=self.n_estimators, size=int(sum(end.sum() for end in leaf)))

    def raw(self, num: Tensor, cat: Tensor) -> Tensor:
        """See the base class."""
        features = torch.cat([num, cat.to(num.dtype)], dim=1)
        return self.finished(torch.cat([self._mean(block) for block in features.split(BLOCK)]).flatten(1))

    def finished(self, sums: Tensor) -> Tensor:
        """See the base class; of shares of classes their logits."""
        if not self.classes:
            return sums
        value = sums.unflatten(1, (self.get_buffer("root").shape[0], -1))
        logarithm = value.clamp(LEAST, 1 - LEAST).log()
        one_logit = value.shape[1] > 1 or self.out_shape == (1,)
        return logarithm[..., 1] - logarithm[..., 0] if one_logit else logarithm.flatten(1)

    def trees(self) -> Trees:
        """See the base class."""
        child, feature, threshold, value, root = (
            buffer.cpu().numpy() for buffer in map(self.get_buffer, ("child", "feature", "threshold", "value", "root"))
        )
        n_problems, n_trees = root.shape
        left, right = child.astype(np.int64).T
        leaf = left == np.arange(len(left))
        return Trees(
            nodes=Nodes(
                feature=feature.astype(np.int64),
                threshold=float32_below(threshold),
                left=left,
                right=right,
                missing=np.zeros(len(left), bool),
                value=np.where(leaf[:, None], value.astype(np.float64) / n_trees, 0),
            ),
            root=root.ravel().astype(np.int64),
            output=np.repeat(np.arange(n_problems) * value.shape[1], n_trees),
            base=np.zeros(n_problems * value.shape[1]),
        )

    def _mean(self, features: Tensor) -> Tensor:
        """Values of the leaves that rows end in, averaged over the trees, ``(B, problems, width)``."""
        child, feature, threshold = self.child, self.feature, self.threshold
        value, root = self.value, self.root
        n_problems, n_trees = root.shape  # type: ignore[misc]
        node = root.flatten().long().expand(features.shape[0], -1)  # type: ignore[operator]
        for _ in range(self.depth):
            split = threshold[node]  # type: ignore[index]
            right = features.gather(1, feature[node].long()).double() > split  # type: ignore[index]
            node = child[node, right.long()].long()  # type: ignore[index]
        found: Tensor = value[node].unflatten(1, (n_problems, n_trees)).mean(2)  # type: ignore[index]
        return found

    def _grow(self, problem: Problem, features: np.ndarray, rows: Rows, job: Job) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        options: dict[str, Any] = {
            "n_estimators": self.n_estimators,
            "max_leaf_nodes": self.max_leaf_nodes,
            "min_samples_leaf": self.min_samples_leaf,
            "max_samples": None if self.max_samples == 1 else self.max_samples,
            "random_state": job.seed,
            "n_jobs": job.threads,
        }
        defaults = self.for_classes if problem.kind in CLASSES else self.for_numbers
        options |= defaults if self.max_features is None else {"max_features": self.max_features}
        if problem.kind in CLASSES:
            forest = RandomForestClassifier(**options)
        else:
            criterion = "absolute_error" if problem.kind == "mae" else "squared_error"
            forest = RandomForestRegressor(criterion=criterion, **options)
        # It adds all numbers up to see that they are finite, and warns where the sum is not.
        with np.errstate(over="ignore", invalid="ignore"):
            return forest.fit(features, problem.target(rows), sample_weight=problem.weight(rows, train=True))

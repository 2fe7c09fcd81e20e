"""Trees in a graph: boosted trees and forests as the operator that ONNX has for them, which torch does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.baselines.base import OfTrees
from colonnade.baselines.trees import Trees
from colonnade.core.batch import Batch
from colonnade.core.output import Output
from colonnade.deploy.oblivious import oblivious
from colonnade.deploy.replaced import replaced

if TYPE_CHECKING:
    import onnx_ir as ir

STANDS_FOR = "colonnade"
"""Domain of what stands for an operator until the graph is complete."""
ML = "ai.onnx.ml"


class TreeNetwork(nn.Module):
    """Trees as a network that can be exported, and only that: :func:`plant` puts the trees in.

    Args:
        model: fitted.
        place: of its trees among those of a graph.
    """

    def __init__(self, model: OfTrees, place: int) -> None:
        super().__init__()
        self.model = model
        self.trees = model.trees()
        self.levels = oblivious(self.trees)
        self.place = place

    def forward(self, batch: Batch) -> Output:
        """Raw outputs ``(B, 1, *out_shape)``."""
        features = self.trees.features(batch.num, batch.cat, self._find)
        if self.levels is not None:
            sums = self.levels(features)
        else:
            sums = self._operator("Trees", features, 0, torch.float32, (features.shape[0], len(self.trees.base)))
        raw = self.model.finished(sums)
        return Output(raw=raw.reshape(raw.shape[0], 1, *self.model.out_shape))

    def _find(self, i: int, keys: Tensor) -> Tensor:
        return self._operator("Find", keys, i, torch.int64, keys.shape)

    def _operator(self, kind: str, given: Tensor, i: int, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
        attributes: dict[str, Any] = {"place": self.place, "index": i}
        found: Tensor = torch.onnx.ops.symbolic(f"{STANDS_FOR}::{kind}", (given,), attributes, dtype=dtype, shape=shape)
        return found


def with_trees(predictor: nn.Module) -> tuple[nn.Module, list[Trees]]:
    """A predictor that can be exported, and the trees that belong into its graph.

    Args:
        predictor: it stays as it is; without trees in it, it is what is returned.
    """
    trees: list[Trees] = []

    def planted(part: OfTrees) -> TreeNetwork:
        network = TreeNetwork(part, len(trees))
        trees.append(network.trees)
        return network

    return replaced(predictor, OfTrees, planted), trees


def plant(model: ir.Model, trees: Sequence[Trees]) -> None:
    """Put trees, and what they look up, where something stands for them."""
    import onnx_ir as ir

    graph = model.graph
    for node in [node for node in graph if node.domain == STANDS_FOR]:
        found = trees[node.attributes.get_int("place", 0)]
        if node.op_type == "Trees":
            new = ir.node("TreeEnsembleRegressor", node.inputs, _of_trees(found), domain=ML)
        else:
            known = found.statistics[node.attributes.get_int("index", 0)].keys
            assert known is not None
            keys = known.tolist()
            attributes = {"keys_int64s": keys, "values_int64s": list(range(len(keys))), "default_int64": len(keys)}
            new = ir.node("LabelEncoder", node.inputs, attributes, domain=ML)
        new.outputs[0].type, new.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], [new], node.outputs, new.outputs)
    model.opset_imports.pop(STANDS_FOR, None)


def _of_trees(trees: Trees) -> dict[str, Any]:
    """Trees as attributes of ``TreeEnsembleRegressor`` (ai.onnx.ml 3)."""
    nodes, leaf = trees.nodes, trees.nodes.leaf
    tree = np.repeat(np.arange(len(trees.root)), np.diff(np.append(trees.root, len(nodes))))
    first = trees.root[tree]
    number = np.arange(len(nodes)) - first
    width = nodes.value.shape[1]
    ends = np.repeat(np.flatnonzero(leaf), width)
    # The operator is quicker where all nodes compare alike, and need not look for missing numbers: for those, no
    # comparison holds, which sends them left where it is asked for what lies above.
    above = bool((nodes.missing | leaf).all())
    missing = not above and bool((nodes.missing & ~leaf).any())
    left, right = (np.where(leaf, 0, below - first).tolist() for below in (nodes.left, nodes.right))
    found: dict[str, Any] = {
        "n_targets": len(trees.base),
        "base_values": trees.base.tolist(),
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_featureids": nodes.feature.tolist(),
        "nodes_values": nodes.threshold.tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_GT" if above else "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": right if above else left,
        "nodes_falsenodeids": left if above else right,
        "target_treeids": tree[ends].tolist(),
        "target_nodeids": number[ends].tolist(),
        "target_ids": (trees.output[tree[ends]] + np.tile(np.arange(width), int(leaf.sum()))).tolist(),
        "target_weights": nodes.value[leaf].ravel().tolist(),
    }
    if missing:
        found["nodes_missing_value_tracks_true"] = nodes.missing.astype(int).tolist()
    return found

"""Ranks: the knots of the quantile transform as the leaves of trees: one operator instead of five for each halving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.data.steps.quantile import ToNormal
from colonnade.deploy.replaced import replaced
from colonnade.deploy.trees import ML, STANDS_FOR

if TYPE_CHECKING:
    import onnx_ir as ir

OPERATOR = "Knots"


def with_ranks(predictor: nn.Module) -> tuple[nn.Module, list[np.ndarray]]:
    """A predictor that looks knots up by trees, which only :func:`plant_ranks` puts into its graph.

    Args:
        predictor: it stays as it is; without quantile transforms in it, it is what is returned.

    Returns:
        It, and the knots ``(F, P)`` of each transform.
    """
    knots: list[np.ndarray] = []

    def by_trees(step: ToNormal) -> ToNormal:
        place = len(knots)
        knots.append(step.knots.numpy())

        step.search = lambda _, x: look_up(place, x.T).T
        return step

    return replaced(predictor, ToNormal, by_trees), knots


def look_up(place: int, rows: Tensor, *, stride: int = 0) -> Tensor:
    """The last knot that is not above each number, the first one for NaN: where the trees will be planted.

    Args:
        place: of the knots ``(F, P)`` among those of the graph.
        rows: ``(N, F)`` float64.
        stride: what is added for each column before, to look up in a table of all columns.

    Returns:
        ``(N, F)`` int64.
    """
    attributes: dict[str, Any] = {"place": place, "stride": stride}
    found: Tensor = torch.onnx.ops.symbolic(
        f"{STANDS_FOR}::{OPERATOR}", (rows,), attributes, dtype=torch.float32, shape=rows.shape
    )
    return found.to(torch.int64)


def plant_ranks(model: ir.Model, knots: Sequence[np.ndarray]) -> None:
    """Put trees where something stands for them.

    Args:
        model: of what :func:`with_ranks` gave.
        knots: what it gave besides.
    """
    import onnx_ir as ir

    graph = model.graph
    for node in [node for node in graph if node.domain == STANDS_FOR and node.op_type == OPERATOR]:
        stride = node.attributes.get_int("stride", 0)
        attributes = _trees(knots[node.attributes.get_int("place", 0)], stride)
        new = ir.node("TreeEnsembleRegressor", node.inputs, attributes, domain=ML)
        new.outputs[0].type, new.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], [new], node.outputs, new.outputs)


def _trees(knots: np.ndarray, stride: int = 0) -> dict[str, Any]:
    """A balanced tree for each column, whose leaves hold the positions of its knots: all in float64, as numbers are."""
    import onnx_ir as ir

    nodes: list[tuple[int, int, int, float, str, int, int]] = []
    leaves: list[tuple[int, int, int, int]] = []
    for column, values in enumerate(knots):
        # What is left over at the end is infinite.
        spans, number = [(0, int(np.isfinite(values).sum()) - 1)], 0
        while number < len(spans):
            low, high = spans[number]
            if low == high:
                nodes.append((column, number, 0, 0.0, "LEAF", 0, 0))
                leaves.append((column, number, column, low + column * stride))
            else:
                middle = (low + high + 1) // 2
                # Where they hold, the second half; NaN is in the first one, as nothing holds for it.
                nodes.append((column, number, column, values[middle], "BRANCH_GTE", len(spans) + 1, len(spans)))
                spans += [(low, middle - 1), (middle, high)]
            number += 1
    tree, place, feature, threshold, mode, true, false = (list(part) for part in zip(*nodes))
    leaf_tree, leaf, target, weight = (list(part) for part in zip(*leaves))
    return {
        "n_targets": len(knots),
        "nodes_treeids": tree,
        "nodes_nodeids": place,
        "nodes_featureids": feature,
        "nodes_values_as_tensor": ir.tensor(np.array(threshold, dtype=np.float64)),
        "nodes_modes": mode,
        "nodes_truenodeids": true,
        "nodes_falsenodeids": false,
        "target_treeids": leaf_tree,
        "target_nodeids": leaf,
        "target_ids": target,
        "target_weights_as_tensor": ir.tensor(np.array(weight, dtype=np.float64)),
    }

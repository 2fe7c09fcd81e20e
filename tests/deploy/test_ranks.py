"""Trees that look knots up against the search that they stand for."""

import numpy as np
import onnx_ir as ir
import torch
from onnxruntime import InferenceSession

from colonnade.data.steps.knots import search
from colonnade.data.steps.quantile import tables
from colonnade.deploy.ranks import _trees


def looked_up(knots, rows, stride=0):
    """What the trees of a graph say of rows ``(N, F)`` float64."""
    given = ir.val("rows", dtype=ir.DataType.DOUBLE, shape=["batch", len(knots)])
    node = ir.node("TreeEnsembleRegressor", [given], _trees(knots, stride), domain="ai.onnx.ml")
    node.outputs[0].name, node.outputs[0].type = "place", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([given], node.outputs, nodes=[node], opset_imports={"": 20, "ai.onnx.ml": 3}, name="knots")
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    (found,) = InferenceSession(model).run(None, {"rows": rows})
    return found


def test_trees_find_what_the_search_finds():
    rng = np.random.default_rng(0)
    columns = np.sort(np.stack([rng.normal(size=40), 1e9 + rng.normal(size=40), rng.integers(0, 3, 40)]), axis=1)
    knots = tables(torch.from_numpy(columns))["knots"]
    values = knots[knots.isfinite()]
    sides = [torch.nextafter(values, torch.full_like(values, end)) for end in (-torch.inf, torch.inf)]
    x = torch.cat([values, *sides, torch.tensor([torch.nan, 0.0, 1e300, -1e300], dtype=torch.float64)]).expand(3, -1)
    expected = search(knots, x).numpy().T
    assert np.array_equal(looked_up(knots.numpy(), x.T.numpy()), expected)
    assert np.array_equal(looked_up(knots.numpy(), x.T.numpy(), stride=100), expected + [0, 100, 200])

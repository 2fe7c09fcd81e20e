"""Trees that look knots up against the search that they stand for."""

import numpy as np
import onnx_ir as ir
import torch
from onnxruntime import InferenceSession

from colonnade.data.steps.knots import search
from colonnade.data.steps.quantile import tables
from colonnade.deploy.ranks import _trees


def test_trees_find_what_the_search_finds():
    rng = np.random.default_rng(0)
    columns = np.sort(np.stack([rng.normal(size=40), 1e9 + rng.normal(size=40), rng.integers(0, 3, 40)]), axis=1)
    knots = tables(torch.from_numpy(columns))["knots"]
    values = knots[knots.isfinite()]
    sides = [torch.nextafter(values, torch.full_like(values, end)) for end in (-torch.inf, torch.inf)]
    x = torch.cat([values, *sides, torch.tensor([torch.nan, 0.0, 1e300, -1e300], dtype=torch.float64)]).expand(3, -1)

    rows = ir.val("rows", dtype=ir.DataType.DOUBLE, shape=["batch", 3])
    node = ir.node("TreeEnsembleRegressor", [rows], _trees(knots.numpy()), domain="ai.onnx.ml")
    node.outputs[0].name, node.outputs[0].type = "place", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([rows], node.outputs, nodes=[node], opset_imports={"": 20, "ai.onnx.ml": 3}, name="knots")
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    (found,) = InferenceSession(model).run(None, {"rows": x.T.numpy()})
    assert np.array_equal(found.T, search(knots, x).numpy())

"""Trees in a graph: what is planted, and that the model stays as it is."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnxruntime import InferenceSession

from colonnade.baselines.trees import Nodes, grown
from colonnade.baselines.xgboost import XGBoost
from colonnade.deploy.graph import OUTPUTS, build_graph
from colonnade.deploy.inputs import plan_inputs
from colonnade.deploy.parity import check_parity
from colonnade.deploy.trees import TreeNetwork, _of_trees, with_trees

from .kit import made


def test_a_network_is_left_alone():
    of = made("linear", "regression", ["plain"])
    assert with_trees(of.predictor) == (of.predictor, [])


def test_the_model_stays_as_it_is():
    of = made("xgboost", "regression", ["plain", "colour"])
    changed, trees = with_trees(of.predictor)
    assert isinstance(of.predictor.network, XGBoost)
    assert isinstance(changed.network, TreeNetwork)
    assert len(trees) == 1


def operators(of):
    inputs = plan_inputs(of.lookup, of.schema, matrix_above=100, taken=OUTPUTS)
    graph = onnx.load_from_string(build_graph(of.predictor, of.lookup, of.spec, inputs, {}).shipped).graph
    return [node for node in graph.node if node.domain == "ai.onnx.ml"]


def test_one_operator_for_all_trees():
    """Beside one for each text and for the label."""
    of = made("lightgbm", "binary", ["plain", "colour", "many"])
    trees = of.predictor.network.trees()
    found = {node.op_type: node for node in operators(of)}
    assert [node.op_type for node in operators(of)].count("LabelEncoder") == 3
    names = {attribute.name: attribute for attribute in found["TreeEnsembleRegressor"].attribute}
    assert len(names["nodes_modes"].strings) == len(trees.nodes)
    assert torch.tensor(names["base_values"].floats).allclose(torch.from_numpy(trees.base).float())


@pytest.mark.parametrize("missing", ["left", "right", "both"])
def test_missing_numbers_go_where_they_should(missing):
    left = {"left": [True, True], "right": [False, False], "both": [True, False]}[missing]
    nodes = Nodes(
        feature=np.array([0, 1, 0, 0, 0]),
        threshold=np.array([0.5, -1, 0, 0, 0], np.float32),
        left=np.array([1, 3, 2, 3, 4]),
        right=np.array([2, 4, 2, 3, 4]),
        missing=np.array([*left, False, False, False]),
        value=np.array([[0], [0], [1.0], [2.0], [4.0]]),
    )
    trees = grown([nodes], [0], n_columns=2, n_outputs=1)
    x = np.array([[a, b] for a in (0.5, 0.6, np.nan) for b in (-1, 0, np.nan)], np.float32)
    attributes = _of_trees(trees)
    assert ("nodes_missing_value_tracks_true" in attributes) == (missing == "both")
    rows = ir.val("rows", dtype=ir.DataType.FLOAT, shape=["batch", 2])
    node = ir.node("TreeEnsembleRegressor", [rows], attributes, domain="ai.onnx.ml")
    node.outputs[0].name, node.outputs[0].type = "sums", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([rows], node.outputs, nodes=[node], opset_imports={"": 20, "ai.onnx.ml": 3}, name="trees")
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    (found,) = InferenceSession(model).run(None, {"rows": x})
    assert np.array_equal(found, trees.sums(x))


@pytest.mark.parametrize("largest", [2**15, 0])
def test_statistics_are_looked_up_by_their_place_or_by_their_hash(largest, monkeypatch):
    monkeypatch.setattr("colonnade.baselines.catboost_trees.LARGEST", largest)
    of = made("catboost", "binary", ["plain", "colour", "many"])
    trees = of.predictor.network.trees()
    assert trees.statistics
    assert all((each.keys is None) == (largest > 0) for each in trees.statistics)
    inputs = plan_inputs(of.lookup, of.schema, matrix_above=100, taken=OUTPUTS)
    graph = build_graph(of.predictor, of.lookup, of.spec, inputs, {"reading": "{}"})
    assert check_parity(graph, of.predictor, of.lookup, of.spec, of.frame, tolerance=1e-5).worst < 1e-6
    kinds = [node.op_type for node in onnx.load_from_string(graph.shipped).graph.node if node.domain == "ai.onnx.ml"]
    # Two texts, what is looked up by its hash, and the label; its trees are oblivious.
    assert kinds == ["LabelEncoder"] * (3 if largest else 3 + len(trees.statistics))

"""Trees in a graph: what is planted, and that the model stays as it is."""

import onnx
import torch

from colonnade.baselines.xgboost import XGBoost
from colonnade.deploy.graph import OUTPUTS, build_graph
from colonnade.deploy.inputs import plan_inputs
from colonnade.deploy.trees import TreeNetwork, with_trees

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


def test_operators_of_a_graph():
    """One for the trees, one for each text and each statistic; missing numbers are looked for where trees do."""
    of = made("catboost", "binary", ["plain", "colour", "many"])
    inputs = plan_inputs(of.lookup, of.schema, matrix_above=100, taken=OUTPUTS)
    graph = onnx.load_from_string(build_graph(of.predictor, of.lookup, of.spec, inputs, {}).shipped).graph
    kinds = [node.op_type for node in graph.node if node.domain == "ai.onnx.ml"]
    trees = of.predictor.network.trees()
    assert kinds.count("TreeEnsembleRegressor") == 1
    # Two texts, statistics, and the label.
    assert kinds.count("LabelEncoder") == 2 + len(trees.statistics) + 1
    (forest,) = (node for node in graph.node if node.op_type == "TreeEnsembleRegressor")
    names = {attribute.name: attribute for attribute in forest.attribute}
    assert len(names["nodes_modes"].strings) == len(trees.nodes)
    assert torch.tensor(names["base_values"].floats).allclose(torch.from_numpy(trees.base).float())
    assert ("nodes_missing_value_tracks_true" in names) == bool((trees.nodes.missing & ~trees.nodes.leaf).any())

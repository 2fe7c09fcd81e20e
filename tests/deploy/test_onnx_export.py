from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from colonnade.baselines.dummy import Dummy
from colonnade.core.errors import ConfigError, DataError, ExportError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.joint import join
from colonnade.data.lookup import Category, Lookup
from colonnade.deploy.graph import OUTPUTS, build_graph
from colonnade.deploy.inputs import plan_inputs
from colonnade.deploy.onnx_export import Exportable, OnnxExport, facts
from colonnade.deploy.parity import check_parity, difference
from colonnade.deploy.runtime import OnnxModel
from colonnade.tasks.combine import WeightedMean
from colonnade.training.ensemble import EnsemblePredictor, Member

from .kit import made

NUMBERS = ["plain", "skewed", "count"]
# Every block alone and together, every task, networks and a forest; every backbone and every decoder by itself is the
# business of its contract.
CASES = [
    ("tabm", "quantile", None, 5),
    ("ft_transformer", "binary", ["plain", "colour", "yes"], 100),
    ("tabnet", "regression", NUMBERS, 2),
    ("linear", "multilabel", ["colour", "many", "yes"], 2),
    ("forest", "binary", [*NUMBERS, "colour"], 100),
    ("xgboost", "multiclass", [*NUMBERS, "colour"], 2),
    ("lightgbm", "quantile", [*NUMBERS, "colour"], 100),
    ("catboost", "regression", [*NUMBERS, "colour", "yes"], 100),
]


def exportable(of):
    return Exportable(of.predictor, of.lookup, of.schema, of.spec, of.task, "abc", {"delimiter": ";"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An MLP for four classes on all columns, its graph, and the file."""
    of = made("mlp", "multiclass")
    inputs = plan_inputs(of.lookup, of.schema, matrix_above=100, taken=OUTPUTS)
    graph = build_graph(of.predictor, of.lookup, of.spec, inputs, facts(exportable(of)))
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(graph.shipped)
    return of, graph, path


def parity_of(whole, **changed):
    of, graph, _ = whole
    given = {"predictor": of.predictor, "lookup": of.lookup, "spec": of.spec, "frame": of.frame, **changed}
    return check_parity(graph, **given, tolerance=1e-5)


@pytest.mark.parametrize(("model", "task", "columns", "above"), CASES)
def test_the_graph_gives_what_the_predictor_gives(model, task, columns, above, tmp_path):
    of = made(model, task, columns)
    path = tmp_path / "model.onnx"
    parity = OnnxExport(matrix_above=above)(exportable(of), of.frame, path)
    assert parity.rows == of.frame.height + 2
    assert parity.worst < 2e-6
    loaded = OnnxModel(path)
    wide = len(of.lookup.names) > above
    names = [given.name for given in loaded.session.get_inputs()]
    assert names == (list(dict.fromkeys(g["block"] for g in loaded.facts["inputs"])) if wide else loaded.columns)
    with torch.inference_mode():
        raw = of.lookup(of.frame)
        expected = of.predictor(raw.num, raw.cat, raw.time)
    found = loaded.predict({name: of.frame[name].to_list() for name in of.frame.columns}, rows=50)
    assert set(found) == set(expected)
    for name in set(found) - {"label"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)
        assert np.unique(found[name]).size > 4, "rows differ, or nothing was compared"
    if "label" in found:
        labels = expected["label"].numpy()
        classes = np.array(of.spec.classes)
        np.testing.assert_array_equal(found["label"], classes[labels] if of.spec.classes else labels)


def test_several_models_leave_as_one_graph(tmp_path):
    """They look at other columns, and predict together what each of them alone does not."""
    members = [
        made("linear", "multiclass", ["plain", "colour"]),
        made("linear", "multiclass", ["count", "yes", "colour"]),
    ]
    lookup, shares = join([of.lookup for of in members])
    first, second = members
    schema = Schema({**first.schema.columns, **second.schema.columns})
    together = EnsemblePredictor(
        members=[Member(of.predictor, share) for of, share in zip(members, shares)],
        combiner=WeightedMean("class", torch.tensor([1.0, 3.0])),
    )
    subject = replace(exportable(first), predictor=together, lookup=lookup, schema=schema)
    frame = first.frame.with_columns(second.frame["count"], second.frame["yes"])
    parity = OnnxExport()(subject, frame, tmp_path / "model.onnx")
    assert set(parity.errors) == {"label", "probability"}
    assert parity.worst < 1e-6
    found = OnnxModel(tmp_path / "model.onnx").predict({name: frame[name].to_numpy() for name in frame.columns})
    with torch.inference_mode():
        raws = [of.lookup(frame) for of in members]
        one, other = (of.predictor(r.num, r.cat, r.time)["probability"] for of, r in zip(members, raws))
    np.testing.assert_allclose(found["probability"], (one + 3 * other) / 4, atol=1e-6)


def test_what_is_compared(whole):
    parity = parity_of(whole)
    assert set(parity.errors) == {"label", "probability", "/encoded/num", "/encoded/cat"}
    assert parity.errors["/encoded/cat"] == parity.errors["label"] == 0
    assert parity.worst < 1e-6


def test_what_the_file_says_of_itself(whole):
    of, _, path = whole
    facts = OnnxModel(path).facts
    assert facts["classes"] == list(of.spec.classes)
    assert (facts["config_hash"], facts["task"], facts["target_kind"]) == ("abc", "multiclass", "class")
    assert Schema.from_dict(facts["schema"]) == of.schema
    assert len(facts["profile_digest"]) == 64
    assert facts["reading"] == {"delimiter": ";"}
    assert facts["inputs"][0] == {
        "column": "plain",
        "name": "plain",
        "place": None,
        "block": "numbers",
        "kind": "numeric",
        "missing": ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "<NA>"],
        "format": None,
    }


def test_the_file_holds_neither_paths_nor_traces_and_any_number_of_rows(whole):
    _, _, path = whole
    content = path.read_bytes()
    for word in (b"site-packages", b".py", b"stack_trace", b"fx_node", str(path.parent).encode(), b"/home"):
        assert word not in content, word
    graph = onnx.load(path).graph
    assert all(value.type.tensor_type.shape.dim[0].dim_param == "batch" for value in (*graph.input, *graph.output))


def test_another_model_is_found_out(whole):
    of, _, _ = whole
    network, (center, *_) = of.predictor.network, of.predictor.pipeline.steps[-1].buffers()
    for buffer, output in ((network.head.linear.bias.data[:1], "probability"), (center, "/encoded/num")):
        buffer += 1e-3
        with pytest.raises(
            ExportError, match=rf"'{output}' of the graph is off by .* \(allowed 1e-05\) in the row of miss"
        ):
            parity_of(whole)
        buffer -= 1e-3
    turned = [Category(c.name, False, c.levels[::-1]) if c.name == "many" else c for c in of.lookup.cat]
    other = Lookup(num=of.lookup.num, cat=turned, time=of.lookup.time)
    with pytest.raises(ExportError, match="in row 107, in batches of 1: .* instead of "):
        parity_of(whole, lookup=other, frame=of.frame[7:], row_ids=range(107, 900))
    with pytest.raises(DataError, match="no rows to compare"):
        parity_of(whole, frame=of.frame[:0])


def test_differences_are_counted_in_units_of_the_output(whole):
    spec = made("linear", "regression", NUMBERS).spec
    value = np.array([[1000.0, 2000.0], [1001.0, 2000.0]])
    assert spec.target_scale == (0.1, 1.0)
    error = difference("value", value + [[0.0, 0.5], [0.1, 0.0]], {"value": value}, spec, 1e-5)
    np.testing.assert_allclose(error, [0.5, 1.0])
    spec = whole[0].spec
    probability = np.array([[0.4, 0.4 - 1e-6, 0.2, 0], [0.6, 0.2, 0.2, 0]])
    right = {"probability": probability, "label": np.array([0, 0])}
    second = np.array(["class 1", "class 1"], dtype=object)
    assert difference("label", second, right, spec, 1e-5).tolist() == [0, 1], "a tie is decided by rounding"
    assert np.isinf(difference("probability", probability[:, :2], right, spec, 1e-5)).all()
    nan = np.where(probability > 0.5, np.nan, probability)
    assert difference("probability", nan, right, spec, 1e-5).tolist() == [0, np.inf]


def test_names_that_are_taken():
    names = ["label", "value", "/x", "column//x", ""]
    schema = Schema({name: Column(name, Kind.NUMERIC) for name in names})
    lookup = Lookup(num=names, cat=[], time=[])
    inputs = plan_inputs(lookup, schema, matrix_above=100, taken=OUTPUTS)
    assert [given.name for given in inputs] == [
        "column/label",
        "column/value",
        "column//x",
        "column/column//x",
        "column/",
    ]


def test_a_level_is_no_missing_value():
    schema = Schema({"c": Column("c", Kind.CATEGORICAL, missing=("NA", "-"))})
    lookup = Lookup(num=[], cat=[Category("c", False, ("", "None", "nan", "<NA>", "-"))], time=[])
    (given,) = plan_inputs(lookup, schema, matrix_above=100, taken=OUTPUTS)
    assert given.missing == ("NA",)
    lookup = Lookup(num=[], cat=[Category("c", False, (*lookup.cat[0].levels, "NA", "missing"))], time=[])
    (given,) = plan_inputs(lookup, schema, matrix_above=100, taken=OUTPUTS)
    assert given.missing == ("missing_",)


def test_what_cannot_be_exported_is_told_with_all_its_parts(monkeypatch):
    of = made("linear", "regression", NUMBERS)
    exporter = OnnxExport()
    exporter.check(of.predictor)
    exporter.check(Dummy(spec=of.spec))
    monkeypatch.setattr(type(of.predictor.pipeline.steps[-1]), "exportable", False)
    with pytest.raises(ConfigError, match="step 'scale' is not made for it: train without it, or export=none"):
        exporter.check(of.predictor)


@pytest.mark.parametrize("argument", [{"tolerance": 0.0}, {"rows": 0}, {"matrix_above": -1}])
def test_ranges(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"{name} must be"):
        OnnxExport(**argument)


def test_what_torch_cannot_export_is_told(monkeypatch, tmp_path):
    of = made("linear", "regression", ["plain"])

    def forward(self, x):
        return (x if x.sum() > 0 else -x).unsqueeze(1), None

    monkeypatch.setattr(type(of.predictor.network.backbone), "forward", forward)
    with pytest.raises(ExportError, match="export: torch cannot export this model to ONNX: "):
        OnnxExport()(exportable(of), of.frame, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())

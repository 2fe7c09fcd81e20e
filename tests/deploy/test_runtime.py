import json
from datetime import UTC, date, datetime

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from onnx import TensorProto, helper

from colonnade.deploy.runtime import InputError, OnnxModel, headings, main

KINDS = {"numbers": "numeric", "texts": "categorical", "times": "datetime"}
TYPES = {"numbers": TensorProto.DOUBLE, "texts": TensorProto.STRING, "times": TensorProto.INT64}


def given(column, block, *, kind=None, missing=("", "NA"), format=None, name=None, place=None):
    return {
        "column": column,
        "name": name or column,
        "place": place,
        "block": block,
        "kind": kind or KINDS[block],
        "missing": list(missing),
        "format": format,
    }


def file(*inputs, reading=None, output="value", extra=None):
    """A graph that hands its inputs on, numbers as predictions."""
    names = {g["name"]: [h for h in inputs if h["name"] == g["name"]] for g in inputs}
    values = [helper.make_tensor_value_info(n, TYPES[g[0]["block"]], ["batch", len(g)]) for n, g in names.items()]
    results = [output if i == 0 else f"out/{name}" for i, name in enumerate(names)]
    outputs = [
        helper.make_tensor_value_info(r, TYPES[g[0]["block"]], ["batch", len(g)])
        for r, g in zip(results, names.values())
    ]
    nodes = [helper.make_node("Identity", [name], [result]) for name, result in zip(names, results)]
    graph = helper.make_graph(nodes, "g", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    facts = {"inputs": inputs, "reading": reading or {}, "targets": ["y"], "classes": [], **(extra or {})}
    plain = {"target_kind": "real"}
    helper.set_model_props(model, plain | {name: json.dumps(value) for name, value in facts.items()})
    return model.SerializeToString()


def fed(values, *of, reading=None, **more):
    return OnnxModel(file(given("c", *of, **more), reading=reading)).feeds({"c": values})["c"][:, 0]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5, None],
        ["1", " 2.5 ", "NA"],
        ["1.0", "25e-1", ""],
        np.array([1, 2.5, np.nan], dtype=np.float32),
        pd.Series([1, 2.5, None]),
        pd.Series([1, 2.5, pd.NA], dtype=object),
        pl.Series([1.0, 2.5, None]).to_numpy(),
    ],
)
def test_numbers(values):
    found = fed(values, "numbers")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1, 2.5, np.nan])


def test_numbers_as_they_were_written_in_training():
    np.testing.assert_array_equal(fed(["1.234,5", "-0,5"], "numbers", reading={"decimal": ","}), [1234.5, -0.5])
    np.testing.assert_array_equal(fed(["inf", 1], "numbers", reading={"infinite": "missing"}), [np.nan, 1])


@pytest.mark.parametrize(
    "values",
    [
        [True, False, None],
        ["yes", "F", "NA"],
        [1, 0, float("nan")],
        [1.0, "no", ""],
        pl.Series([1, 0, None]).to_numpy(),
    ],
)
def test_booleans(values):
    np.testing.assert_array_equal(fed(values, "numbers", kind="boolean"), [1, 0, np.nan])


def test_text():
    values = [" red ", None, float("nan"), 3, 3.0, 2.5, True, "NA", pd.NA]
    expected = ["red", "", "", "3", "3", "2.5", "true", "NA", ""]
    assert fed(values, "texts").tolist() == expected
    assert fed([" red "], "texts", kind="text").tolist() == [" red "], "free text keeps its blanks"
    assert fed([None], "texts", missing=("?",)).tolist() == ["?"]


@pytest.mark.parametrize(
    ("values", "more"),
    [
        (np.array(["2024-02-29T12:00", "NaT"], dtype="datetime64[m]"), {}),
        (pl.Series([datetime(2024, 2, 29, 12), None]).to_numpy(), {}),
        ([datetime(2024, 2, 29, 12, tzinfo=UTC), None], {}),
        (["2024-02-29 12:00", "NA"], {}),
        (["2024-02-29T12:00:00.000Z", ""], {"format": "iso"}),
        (["2024-02-29T13:00+01:00", None], {}),
        (["29.02.2024 12:00:00.000", ""], {"format": "%d.%m.%Y %H:%M:%S%.f"}),
        (["29.02.2024 12:00:00", ""], {"format": "%d.%m.%Y %H:%M:%S%.f"}),
        (["2024-02-29 13:00", ""], {"reading": {"timezone": "Europe/Berlin"}}),
        (np.array(["2024-02-29T12:00", "NaT"], dtype="datetime64[s]"), {"reading": {"timezone": "Europe/Berlin"}}),
    ],
)
def test_datetimes(values, more):
    noon = int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp()) * 1_000_000
    assert fed(values, "times", **more).tolist() == [noon, np.iinfo(np.int64).min]


def test_dates():
    day = 19782 * 86_400 * 1_000_000
    assert fed([date(2024, 2, 29), "2024-02-29", 20240229], "times").tolist() == [day] * 3
    assert fed([date(2024, 2, 29), "29.02.2024"], "times", format="%d.%m.%Y").tolist() == [day] * 2


def test_a_month_is_its_first_day():
    assert fed(["Feb-1970"], "times", format="%b-%Y").tolist() == [31 * 86_400 * 1_000_000]


@pytest.mark.parametrize(
    ("values", "of", "more", "text"),
    [
        ([1, "two"], "numbers", {}, "column 'c', row 1: 'two' is no numeric value"),
        (["1_0"], "numbers", {}, "'1_0' is no numeric value"),
        ([0, float("inf")], "numbers", {}, "column 'c', row 1: inf is no finite number"),
        ([1, 2], "numbers", {"kind": "boolean"}, "column 'c', row 1: 2 is no true/false, yes/no or 0/1 value"),
        (["maybe"], "numbers", {"kind": "boolean"}, "'maybe' is no boolean value"),
        (["31.02.2024"], "times", {"format": "%d.%m.%Y"}, "'31.02.2024' is no datetime value"),
        ([12], "times", {}, "12 is no datetime value"),
        (["2024-10-27 02:30"], "times", {"reading": {"timezone": "Europe/Berlin"}}, "is no datetime value"),
        ([date], "times", {}, "is no datetime value"),
    ],
)
def test_values_of_another_kind_are_named(values, of, more, text):
    with pytest.raises(InputError, match=text):
        fed(values, of, **more)


def test_columns_that_are_missing_or_uneven():
    model = OnnxModel(file(given("a", "numbers"), given("b", "texts"), given("d", "numbers")))
    assert model.columns == ["a", "b", "d"]
    with pytest.raises(InputError, match="columns are missing: b, d"):
        model.predict({"a": [1]})
    with pytest.raises(InputError, match=r"columns have different lengths: \{'a': 1, 'b': 2, 'd': 1\}"):
        model.predict({"a": [1], "b": ["x", "y"], "d": [1]})


def test_columns_of_a_matrix_and_rows_in_pieces():
    inputs = [given(c, "numbers", name="numbers", place=i) for i, c in enumerate("abc")]
    providers = onnxruntime.get_available_providers()
    model = OnnxModel(file(*inputs), threads=1, providers=providers)
    assert model.session.get_providers() == providers
    columns = {c: np.arange(10) + 10 * i for i, c in enumerate("abc")}
    found = model.predict({**columns, "other": []}, rows=3)["value"]
    np.testing.assert_array_equal(found, np.stack(list(columns.values()), axis=1))
    assert model.predict({c: [] for c in "abc"})["value"].shape == (0, 3)


def test_predictions_that_are_not_finite_are_refused():
    model = OnnxModel(file(given("a", "numbers")))
    with pytest.raises(InputError, match="prediction 'value' is NaN or infinite in 1 rows, the first 2"):
        model.predict({"a": [0, 1, None]})


def test_a_file_of_someone_else_is_refused(tmp_path):
    stranger = onnx.load_from_string(file(given("a", "numbers")))
    del stranger.metadata_props[:]
    with pytest.raises(InputError, match="not exported by colonnade"):
        OnnxModel(stranger.SerializeToString())
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"x\.onnx' is no model that onnxruntime can load: "):
        OnnxModel(tmp_path / "x.onnx")


def test_csv_as_in_training(tmp_path, capsys):
    reading = {"delimiter": ";", "decimal": ",", "comment": "#", "header": ["b", "a"], "skip": 1}
    path = tmp_path / "model.onnx"
    path.write_bytes(file(given("a", "numbers"), given("b", "texts"), reading=reading))
    rows = tmp_path / "rows.csv"
    rows.write_text("a title\n# a remark\nx; 1,5\n'y'; NA\n\n", encoding="utf-8-sig")
    assert OnnxModel(path).read_csv(rows) == {"a": ["1,5", "NA"], "b": ["x", "'y'"]}
    rows.write_text("a title\na;b\n1,5;x\n2;y\n")
    assert main([str(path), str(rows)]) == 0
    assert capsys.readouterr().out.splitlines() == ["prediction", "1.5", "2.0"]
    rows.write_text("a title\na;b\n1,5\n")
    assert main([str(path), str(rows)]) == 1
    assert "row 0: 1 fields where 2 are expected" in capsys.readouterr().err
    assert main([]) == 2


def test_headings():
    probability = np.array([[0.25, 0.75]])
    found = headings(
        {"label": np.array(["b"], dtype=object), "probability": probability}, kind="class", targets=["y"], classes="ab"
    )
    assert {k: v.tolist() for k, v in found.items()} == {
        "prediction": ["b"],
        "probability/a": [0.25],
        "probability/b": [0.75],
    }
    labels = {"label": np.array([[0, 1]]), "probability": probability}
    found = headings(labels, kind="multilabel", targets=["row_id", "z"], classes=[])
    assert list(found) == ["prediction/row_id", "probability/row_id", "z", "probability/z"]
    values = {"value": np.array([[1.0, 2.0]]), "quantile": np.arange(4.0).reshape(1, 2, 2)}
    found = headings(values, kind="real", targets=["u", "v"], classes=[])
    assert {k: v.item() for k, v in found.items()} == {
        "prediction/u": 1,
        "quantile/u/0": 0,
        "quantile/u/1": 1,
        "prediction/v": 2,
        "quantile/v/0": 2,
        "quantile/v/1": 3,
    }

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.preprocessing import LabelEncoder, StandardScaler

from colonnade.core.errors import DataError
from colonnade.core.schema import Column, Kind, Schema, TargetKind
from colonnade.data.target import TargetCoder, check_target


def schema(frame: pl.DataFrame, *targets: str, levels: tuple[str, ...] | None = None) -> Schema:
    kinds = {pl.Float64: Kind.NUMERIC, pl.Int64: Kind.INTEGER, pl.Boolean: Kind.BOOLEAN, pl.String: Kind.CATEGORICAL}
    columns = {n: Column(n, kinds[t.base_type()], levels=levels) for n, t in frame.schema.items()}
    return Schema(columns=columns, targets=targets)


def fit(
    frame: pl.DataFrame, *targets: str, kind: TargetKind = TargetKind.CLASS, standardise: bool = True, **options
) -> TargetCoder:
    return TargetCoder.fit(frame, schema(frame, *targets, **options), kind, standardise=standardise)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([10, 9, 100, -3], ("-3", "9", "10", "100")),
        (["10", "9", "100"], ("9", "10", "100")),
        ([True, False, True], ("false", "true")),
        ([2.0, 1.0, 10.5], ("1.0", "2.0", "10.5")),
        (["10", "9", "x"], ("10", "9", "x")),
    ],
)
def test_classes_are_sorted_and_decode_to_the_original_text(values, classes):
    frame = pl.DataFrame({"y": values})
    coder = fit(frame, "y")
    codes = coder.encode(frame)
    assert coder.classes == classes
    assert codes.dtype == torch.int64
    assert [coder.classes[i] for i in codes] == frame["y"].cast(pl.String).to_list()


def test_text_classes_agree_with_sklearn():
    rng = np.random.default_rng(0)
    values = rng.choice(["setosa", "virginica", "Versicolor", "äöü", ""], 200)
    frame = pl.DataFrame({"y": values.tolist()})
    coder = fit(frame, "y")
    expected = LabelEncoder().fit(values)
    assert coder.classes == tuple(expected.classes_)
    np.testing.assert_array_equal(coder.encode(frame), expected.transform(values))
    assert coder.counts(coder.encode(frame)) == tuple(np.bincount(expected.transform(values)))


def test_declared_levels_give_the_order():
    frame = pl.DataFrame({"y": ["high", "low", "mid", "low"]})
    coder = fit(frame, "y", levels=("low", "mid", "high", "extreme"))
    assert coder.classes == ("low", "mid", "high")


def test_real_targets_are_standardised_as_by_sklearn():
    rng = np.random.default_rng(1)
    values = rng.normal(1e6, 3, (50, 2))
    frame = pl.DataFrame({"a": values[:, 0], "b": values[:, 1]})
    coder = fit(frame, "a", "b", kind=TargetKind.REAL)
    scaler = StandardScaler().fit(values)
    codes = coder.encode(frame)
    assert codes.shape == (50, 2)
    assert codes.dtype == torch.float32
    np.testing.assert_allclose(codes, scaler.transform(values), atol=1e-6)
    np.testing.assert_allclose(coder.mean, scaler.mean_)
    np.testing.assert_allclose(coder.scale, scaler.scale_)
    np.testing.assert_allclose(codes.double().numpy() * coder.scale + coder.mean, values, rtol=1e-10)


def test_real_targets_without_standardisation():
    frame = pl.DataFrame({"y": [1, 2, 5]})
    coder = fit(frame, "y", kind=TargetKind.REAL, standardise=False)
    assert (coder.mean, coder.scale) == ((0.0,), (1.0,))
    assert coder.encode(frame).tolist() == [[1.0], [2.0], [5.0]]
    assert coder.counts(coder.encode(frame)) == ()


def test_labels_of_any_type():
    frame = pl.DataFrame({"a": [True, False, True], "b": [0, 1, 0], "c": [1.0, 0.0, 0.0], "d": ["True", "false", "1"]})
    coder = fit(frame, "a", "b", "c", "d", kind=TargetKind.MULTILABEL)
    codes = coder.encode(frame)
    assert codes.dtype == torch.float32
    assert codes.tolist() == [[1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1]]
    assert coder.counts(codes) == (2, 1, 1, 2)


@pytest.mark.parametrize("kind", list(TargetKind))
def test_survives_json(kind):
    frame = pl.DataFrame({"y": [0, 1, 1], "t": [2.0, 1.0, 0.5]})
    coder = fit(frame, *("y", "t") if kind is TargetKind.EVENT else "y", kind=kind)
    again = TargetCoder.from_dict(json.loads(json.dumps(coder.to_dict())))
    assert again == coder
    assert torch.equal(again.encode(frame), coder.encode(frame))


def test_missing_and_infinite_targets_are_counted():
    frame = pl.DataFrame({"a": [1.0, None, float("inf"), 2.0], "b": [float("nan"), 1.0, 2.0, 3.0]})
    ids = np.array([10, 11, 12, 13])
    with pytest.raises(DataError) as error:
        check_target(frame, schema(frame, "a", "b"), TargetKind.REAL, row_ids=ids)
    text = str(error.value)
    assert "'a' is missing or infinite in 2 of 4 rows (from 0: 11, 12)" in text
    assert "'b' is missing or infinite in 1 of 4 rows (from 0: 10)" in text
    assert "data.drop_missing_target=true" in text


def test_many_missing_targets_are_not_all_listed():
    frame = pl.DataFrame({"y": ["a"] + [None] * 9})
    with pytest.raises(DataError, match=r"9 of 10 rows \(from 0: 1, 2, 3, 4, 5, \.\.\.\)"):
        fit(frame, "y")


def test_missing_targets_of_new_rows():
    coder = fit(pl.DataFrame({"y": ["a", "b"]}), "y")
    with pytest.raises(DataError, match="'y' is missing or infinite in 1 of 2 rows"):
        coder.encode(pl.DataFrame({"y": ["a", None]}))


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        (["a", "a"], TargetKind.CLASS, "all 2 train rows are of one class 'a'"),
        ([2.5, 2.5], TargetKind.REAL, "'y' is 2.5 in all 2 train rows: nothing can be learned"),
        ([1e300, -1e300], TargetKind.REAL, "'y' runs from -1e\\+300 to 1e\\+300"),
        (["a", "b"], TargetKind.REAL, "'y' is categorical, but a regression task needs numbers"),
        ([0, 1, 2, -100], TargetKind.MULTILABEL, r"label 'y' must be 0 or 1, but is \[2, -100\] in 2 of 4 rows"),
        ([1, 1], TargetKind.MULTILABEL, "label 'y' is 1 in all train rows"),
        ([0, 1, -100], TargetKind.CLASS, r"'y' is -100 in 1 of 3 rows \(from 0: 2\)"),
        ([], TargetKind.CLASS, "no train rows"),
    ],
)
def test_targets_that_cannot_be_used(values, kind, text):
    frame = pl.DataFrame({"y": values}, schema=None if values else {"y": pl.String})
    with pytest.raises(DataError, match=text):
        fit(frame, "y", kind=kind)


def test_number_of_target_columns():
    frame = pl.DataFrame({"a": [0, 1], "b": [0, 1]})
    with pytest.raises(DataError, match=r"set data\.target="):
        fit(frame)
    with pytest.raises(DataError, match=r"data\.target names 2: a, b"):
        fit(frame, "a", "b")


def test_unseen_classes_are_named():
    coder = fit(pl.DataFrame({"y": ["a", "b"]}), "y")
    with pytest.raises(
        DataError, match=r"test rows hold classes that the train rows lack: 'c' \(2 rows\), 'd' \(1 rows\)"
    ):
        coder.encode(pl.DataFrame({"y": ["c", "a", "d", "c"]}), where="test rows")

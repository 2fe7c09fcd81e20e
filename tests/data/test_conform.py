"""Conform: the whole difference at once."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from colonnade.core.errors import SchemaError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.conform import conform

SCHEMA = Schema(
    {
        name: Column(name, kind)
        for name, kind in {
            "key": Kind.ID,
            "age": Kind.INTEGER,
            "income": Kind.NUMERIC,
            "job": Kind.CATEGORICAL,
            "leak": Kind.NUMERIC,
            "w": Kind.NUMERIC,
            "y": Kind.CATEGORICAL,
        }.items()
    },
    targets=("y",),
    weight="w",
    row_id="key",
    exclude={"leak": "known afterwards"},
)


def test_order_and_types_are_those_of_the_schema(caplog):
    frame = pl.DataFrame(
        {"job": ["a", "?"], "note": ["u", "v"], "income": [1, 2], "age": ["3", "4"], "leak": ["x", "y"]}
    )
    with caplog.at_level(logging.INFO):
        got = conform(frame, SCHEMA, need_target=False, where="new.csv")
    assert got.columns == ["age", "income", "job"]
    assert got.dtypes == [pl.Int64, pl.Float64, pl.String]
    assert got["job"].to_list() == ["a", None]
    assert caplog.messages == ["new.csv: columns that the model does not know are ignored: note"]


def test_roles():
    frame = pl.DataFrame({"key": [1], "age": [3], "income": [1.0], "job": ["a"], "w": [0.5], "y": [None]})
    assert conform(frame, SCHEMA, need_target=False, where="f").columns == ["key", "age", "income", "job"]
    assert conform(frame, SCHEMA, need_target=True, where="f").columns == ["key", "age", "income", "job", "w", "y"]


def test_the_whole_difference():
    frame = pl.DataFrame({"Age": [3], "income": ["much"], "extra": [1]})
    with pytest.raises(SchemaError) as error:
        conform(frame, SCHEMA, need_target=True, where="new.csv")
    text = str(error.value)
    assert text.startswith("new.csv: the columns are not those the model was trained on (6):")
    assert "column 'age' (integer) is missing; did you mean 'Age'?" in text
    assert "column 'job' (categorical) is missing" in text
    assert "column 'w' (numeric) is missing" in text
    assert "column 'y' (categorical) is missing" in text
    assert "column 'income' has 1 values that are no number (row 0: 'much')" in text
    assert "not known to the model, ignored: Age, extra" in text

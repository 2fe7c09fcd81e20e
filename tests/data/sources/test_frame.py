"""Frames from Python."""

from __future__ import annotations

import pandas
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.frame import Frame


def test_polars_is_taken_as_it_is():
    frame = pl.DataFrame({"a": [1, 2]})
    assert Frame(frame).read() is frame
    assert Frame(frame).origin == Frame(pl.DataFrame({"a": [1, 2]})).origin
    assert Frame(frame).origin != Frame(pl.DataFrame({"a": [1, 3]})).origin


def test_pandas():
    given = pandas.DataFrame(
        {
            "n": [1.0, None],
            "s": ["x", None],
            "c": pandas.Categorical(["u", "v"]),
            "d": pandas.to_datetime(["2024-01-01"] * 2),
        },
        index=[5, 6],
    )
    frame = Frame(given).read()
    assert frame["n"].to_list() == [1.0, None]
    assert frame["s"].to_list() == ["x", None]
    assert frame["c"].cast(pl.String).to_list() == ["u", "v"]
    assert isinstance(frame.schema["d"], pl.Datetime)
    with pytest.raises(DataError, match="column 'm' of the pandas frame mixes types"):
        Frame(pandas.DataFrame({"m": [1, "x"]}))
    with pytest.raises(DataError, match="duplicate column names in the frame: a"):
        Frame(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_refuses():
    with pytest.raises(DataError, match=r"the frame has 0 rows \(1 columns\)"):
        Frame(pl.DataFrame({"a": []}))
    with pytest.raises(TypeError, match="expected a polars or pandas DataFrame, got list"):
        Frame([1, 2])

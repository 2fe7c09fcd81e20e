"""Expressions: what is computed, and the text of every refusal."""

from __future__ import annotations

import polars as pl
import pytest

from colonnade.core.errors import ConfigError, SchemaError
from colonnade.data.shape import replaced, selected, where_true

FRAME = pl.DataFrame({"a": [1, 2, None], "b": ["x", "y", "x"]})


def test_selected():
    got = selected(FRAME, {"double": "a * 2", "B": "UPPER(b)"})
    assert got.to_dict(as_series=False) == {"double": [2, 4, None], "B": ["X", "Y", "X"]}


def test_replaced():
    assert replaced(FRAME, {"b": {"x": "z"}})["b"].to_list() == ["z", "y", "z"]
    assert replaced(FRAME, {"a": {"1": "one"}})["a"].to_list() == ["one", "2", None]


def test_where_true_is_false_where_unknown():
    assert where_true(FRAME, "a > 1").to_list() == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "sql", "text"),
    [
        (ConfigError, "a b c", "data.select.n=a b c: not a SQL expression"),
        (ConfigError, "READ_CSV('x')", "data.select.n=READ_CSV('x'): not a SQL expression"),
        (ConfigError, "(SELECT 1)", "data.select.n=(SELECT 1): "),
        (ConfigError, "SUM(a)", "data.select.n=SUM(a): gives 1 values for 3 rows: one for each is expected"),
        (SchemaError, "bb", "data.select.n=bb: there is no column 'bb'"),
        (ConfigError, "ABS(b)", "data.select.n=ABS(b): "),
    ],
)
def test_selected_refuses(kind, sql, text):
    with pytest.raises(kind) as error:
        selected(FRAME, {"n": sql})
    assert str(error.value).startswith(text)


def test_where_true_refuses():
    with pytest.raises(ConfigError, match=r"data.filter=a \+ 1: expected a condition, such as age > 17"):
        where_true(FRAME, "a + 1")

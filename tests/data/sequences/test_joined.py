"""Columns that name a series, or spell a time, together."""

import polars as pl
import pytest

from colonnade.core.errors import SchemaError
from colonnade.data.sequences.joined import joined

FRAME = pl.DataFrame({"day": ["2024-01-01", None], "hour": [7, 8]})
TIME = joined("time", ["day", "hour"], by=" ", what="spell a time")


def test_values_stand_one_after_the_other():
    assert TIME.beside(FRAME)["day hour"].to_list() == ["2024-01-01 7", None]


def test_a_single_column_is_itself():
    assert joined("time", "day", by=" ", what="spell a time") is None
    assert joined("time", None, by=" ", what="spell a time") is None
    with pytest.raises(ValueError, match=r"time=\['day'\]: a column, or several that spell a time together"):
        joined("time", ["day"], by=" ", what="spell a time")


def test_a_column_that_is_not_there():
    with pytest.raises(SchemaError, match=r"data.time=\['day', 'hour'\]: 'hour' is no column; did you mean 'hours'"):
        TIME.beside(FRAME.rename({"hour": "hours"}))


def test_named_together_it_is_meant():
    assert TIME.in_place_of(["hour", "price", "day"]) == ("price", "day hour")
    assert TIME.in_place_of(["hour", "price"]) == ("hour", "price")

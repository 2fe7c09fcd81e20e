"""Casting: types, missing tokens, and the text of every refusal."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

from colonnade.core.errors import SchemaError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.cast import cast


def schema(**kinds: str | Column) -> Schema:
    return Schema({n: k if isinstance(k, Column) else Column(n, Kind(k)) for n, k in kinds.items()})


def one(values: list | pl.Series, kind: str | Column, **options) -> list:
    return cast(pl.DataFrame({"x": values}), schema(x=kind), where="f.csv", **options)["x"].to_list()


def refusal(values: list | pl.Series, kind: str | Column, **options) -> str:
    with pytest.raises(SchemaError) as error:
        one(values, kind, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", " 2.5 ", "NA", None, "?"], "numeric", [1.0, 2.5, None, None, None]),
        ([1, None], "numeric", [1.0, None]),
        ([1.5, float("nan")], "numeric", [1.5, None]),
        (["$1,200.50", "5 %", "€7", "-3"], "numeric", [1200.5, 5.0, 7.0, -3.0]),
        ([timedelta(seconds=2)], "numeric", [2.0]),
        ([time(1, 0)], "numeric", [3600.0]),
        (["9007199254740993", "NA"], "integer", [9007199254740993, None]),
        (["3.0", "1,200"], "integer", [3, 1200]),
        ([3.0, float("nan")], "integer", [3, None]),
        (["Yes", "n", "?", "1"], "boolean", [True, False, None, True]),
        ([0, 1, None], "boolean", [False, True, None]),
        ([0.0, 1.0], "boolean", [False, True]),
        ([" a", "b ", "NA"], "categorical", ["a", "b", None]),
        ([1.0, 2.5, None], "categorical", ["1", "2.5", None]),
        ([7, None], "id", ["7", None]),
        ([True, False], "categorical", ["true", "false"]),
        ([" kept ", "NA"], "text", [" kept ", None]),
        ([date(2024, 1, 2)], "datetime", [datetime(2024, 1, 2)]),
        (
            ["2024-01-02", "2024-01-02 03:04:05.5"],
            "datetime",
            [datetime(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, 500000)],
        ),
        (["2024-01-02T03:04:05+02:00", None], "datetime", [datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC), None]),
        ([20240102], "datetime", [datetime(2024, 1, 2)]),
        ([86_400], "datetime", [datetime(1970, 1, 2, tzinfo=UTC)]),
        ([1_700_000_000_000], "datetime", [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)]),
        (["20240102", "NA", " 20240103"], "datetime", [datetime(2024, 1, 2), None, datetime(2024, 1, 3)]),
        (
            ["1700000000", "0"],
            "datetime",
            [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)],
        ),
        (["31/12/2023"], Column("x", Kind.DATETIME, format="%d/%m/%Y"), [datetime(2023, 12, 31)]),
        (["Mar-2018"], Column("x", Kind.DATETIME, format="%b-%Y"), [datetime(2018, 3, 1)]),
    ],
)
def test_values(values, kind, expected):
    assert one(values, kind) == expected


def test_dtypes_and_order():
    frame = pl.DataFrame({"b": ["1"], "a": [1], "extra": [0], "c": ["x"], "d": ["2024-01-01"]})
    typed = cast(frame, schema(a="numeric", b="integer", c="ordinal", d="datetime", absent="text"), where="f")
    assert typed.schema == {"a": pl.Float64, "b": pl.Int64, "c": pl.String, "d": pl.Datetime("us")}


def test_a_typed_frame_is_passed_on():
    frame = pl.DataFrame({"a": [1.0, None], "b": [1, 2], "c": ["x", None], "d": [True, None]})
    typed = cast(frame, schema(a="numeric", b="integer", c="categorical", d="boolean"), where="f")
    assert typed.equals(frame)


@pytest.mark.parametrize("levels", [3, 15_000])
@pytest.mark.parametrize(("late", "expected"), [(" x", "x"), ("x\t", "x"), ("NA", None), ("x", "x")])
def test_a_late_value_is_stripped_or_blanked_however_many_levels_there_are(levels, late, expected):
    values = [f"level {i % levels}" for i in range(20_000)]
    assert one([*values, late, None], "categorical") == [*values, expected, None]


def test_a_late_value_that_is_not_finite():
    values = [1.0] * 20_000
    assert one([*values, float("nan")], "numeric") == [*values, None]
    assert one([1e308, 1e308, None], "numeric") == [1e308, 1e308, None]
    assert "has 2 infinite values" in refusal([*values, float("inf"), float("-inf")], "numeric")


def test_every_column_is_reported_with_lines_and_fix():
    frame = pl.DataFrame({"age": ["1", "x", "2", "n.d."], "ok": ["1"] * 4, "flag": ["yes", "no", "perhaps", "perhaps"]})
    with pytest.raises(SchemaError) as error:
        cast(frame, schema(age="numeric", ok="integer", flag="boolean"), where="f.csv", first_line=2)
    text = str(error.value)
    assert text.startswith("f.csv: values that do not fit their columns (2):")
    assert "column 'age' has 2 values that are no number (line 3: 'x', line 5: 'n.d.'): correct them, " in text
    assert "data.columns.age=categorical" in text
    assert "column 'flag' has 2 values that are no true/false, yes/no or 0/1 value (line 4: 'perhaps'" in text
    assert "or add 'perhaps' to data.missing if it means missing" in text


def test_refusals():
    assert "no integer (row 1: 2.5)" in refusal([1.0, 2.5], "integer")
    assert "no integer (row 0: '99999999999999999999')" in refusal(["99999999999999999999"], "integer")
    assert "holds List(Int64): flatten it, or data.exclude.x=nested" in refusal([[1]], "numeric")
    assert "holds Boolean, not dates" in refusal([True], "datetime")
    assert "no date (2024-05-31 or 2024-05-31T13:45:00) (row 1: '2024-13-01')" in refusal(
        ["2024-01-01", "2024-13-01"], "datetime"
    )
    assert "in the format %d/%m/%Y" in refusal(["12/31/2023"], Column("x", Kind.DATETIME, format="%d/%m/%Y"))
    assert "no date yyyymmdd (row 0: 20241399)" in refusal([20241399], "datetime")
    assert "2 values that are no date yyyymmdd (row 1: 'oops', row 2: '20241399')" in refusal(
        ["20240102", "oops", "20241399"], "datetime"
    )
    assert "1 values that are no time since 1970 (row 1: 'oops')" in refusal(["1700000000", "oops"], "datetime")
    assert "no date (2024-05-31 or 2024-05-31T13:45:00) (row 0: '2024')" in refusal(["2024"], "datetime")
    shown = refusal([str(i) for i in range(9)] + ["a", "b", "c", "d", "e", "f"], "numeric")
    assert "6 values that are no number" in shown
    assert shown.count("row ") == 5


def test_infinite_values():
    assert "1 infinite values (row 1: inf): correct them, or data.infinite=clip" in refusal(
        [1.0, float("inf")], "numeric"
    )
    assert "1 infinite values (row 0: inf)" in refusal(["1e400"], "numeric")
    values = [1.0, float("inf"), -5.0, float("-inf"), None]
    assert one(values, "numeric", infinite="clip") == [1.0, 1.0, -5.0, -5.0, None]
    assert one(values, "numeric", infinite="missing") == [1.0, None, -5.0, None, None]
    assert "no finite value to clip to" in refusal([float("inf")], "numeric", infinite="clip")


def test_zones():
    mixed = ["2024-01-01T00:00:00+01:00", "2024-07-01T00:00:00+02:00", "2024-07-01T12:00:00"]
    assert "UTC offsets are mixed (+01:00, +02:00 and none): say the zone" in refusal(mixed, "datetime")
    assert one(mixed, "datetime", timezone="Europe/Berlin") == [
        datetime(2023, 12, 31, 23, tzinfo=UTC),
        datetime(2024, 6, 30, 22, tzinfo=UTC),
        datetime(2024, 7, 1, 10, tzinfo=UTC),
    ]
    assert one(["2024-07-01 12:00"], "datetime", timezone="Europe/Berlin") == [datetime(2024, 7, 1, 10, tzinfo=UTC)]
    assert one([datetime(2024, 7, 1, 12)], "datetime", timezone="UTC") == [datetime(2024, 7, 1, 12, tzinfo=UTC)]
    twice = refusal(["2024-10-27 02:30:00", "2024-10-27 12:00:00"], "datetime", timezone="Europe/Berlin")
    assert (
        "1 local times do not exist once in Europe/Berlin, because clocks change (row 0 2024-10-27 02:30:00)" in twice
    )
    assert "no IANA zone" in refusal(["2024-10-27"], "datetime", timezone="Berlin")


def test_declared_missing_tokens_only():
    column = Column("x", Kind.CATEGORICAL, missing=("-",))
    assert one(["NA", "-", "b"], column) == ["NA", None, "b"]

"""Leakage of columns and rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.errors import LeakageError
from colonnade.core.schema import TargetKind
from colonnade.data.infer import cast, infer_schema, target_kind
from colonnade.data.leakage import Leak, check_leaks, duplicates, find_leaks

N = 3000


def table(kind: TargetKind) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    y = (x + rng.normal(size=N) > 0).astype(int) if kind is TargetKind.CLASS else x + rng.normal(size=N)
    return pl.DataFrame({"x": x, "city": rng.choice(list("abcdef"), N), "y": y})


def leaks(frame: pl.DataFrame, target: str | list[str] = "y") -> dict[str, Leak]:
    schema, _ = infer_schema(frame, target=target)
    typed = cast(frame, schema, where="f")
    return {leak.column: leak for leak in find_leaks(typed, schema, target_kind(typed, schema)[0])}


def test_clean_tables_give_no_alarm():
    assert leaks(table(TargetKind.CLASS)) == {}
    assert leaks(table(TargetKind.REAL)) == {}


def test_copies_of_a_class():
    frame = table(TargetKind.CLASS).with_columns(
        recoded=pl.when(pl.col("y") == 1).then(pl.lit("good")).otherwise(pl.lit("bad")),
        finer=pl.concat_str("y", "city"),
        amount=pl.col("y") * 100 + pl.col("x"),
    )
    found = leaks(frame)
    assert {name for name, leak in found.items() if leak.stops} == {"recoded", "finer", "amount"}
    assert all(found[name].score > 0.995 for name in ("recoded", "finer", "amount"))
    assert found["recoded"].text == (
        "column 'recoded' alone foretells the target 'y': each of its 2 values goes with one class, in all 3,000 rows "
        "looked at"
    )
    assert found["amount"].text.endswith("'y': 100.00% of unseen rows are right, guessing gives 50%")


def test_functions_of_a_number():
    rng = np.random.default_rng(1)
    frame = table(TargetKind.REAL).with_columns(
        cube=pl.col("y") ** 3, square=pl.col("y") ** 2, near=pl.col("y") + rng.normal(size=N) * 0.1
    )
    found = leaks(frame)
    assert found["cube"].stops
    assert found["cube"].text.endswith("'y': the two rise together, in all 3,000 rows looked at")
    assert "R2 " in found["near"].text
    assert not found["near"].stops, "99 % explained is a suspect, and may be a lagged value"
    assert "square" not in found


def test_a_field_filled_in_afterwards():
    rng = np.random.default_rng(2)
    frame = table(TargetKind.CLASS).with_columns(
        reason=pl.when((pl.col("y") == 1) & (pl.col("x") > 0.5)).then(pl.lit("r") + pl.col("city")),
        age=pl.Series([None if r < 0.2 else r for r in rng.random(N)]),
    )
    found = leaks(frame)
    assert set(found) == {"reason"}
    assert found["reason"].stops
    assert "by being filled in: 100.0% of those" in found["reason"].text
    both = table(TargetKind.CLASS).with_columns(
        boat=pl.when((pl.col("y") == 1) ^ (pl.Series(rng.random(N)) < 0.02)).then(1.0)
    )
    assert "by being filled in or empty: that alone is right in" in leaks(both)["boat"].text


def test_numbers_that_move_with_a_leak_are_suspects():
    rng = np.random.default_rng(3)
    frame = table(TargetKind.CLASS).with_columns(delay=(pl.col("y") - 0.5) * rng.random(N))
    frame = frame.with_columns(arrival=pl.col("delay") + rng.normal(size=N) * 0.2)
    found = leaks(frame)
    assert found["delay"].stops
    assert not found["arrival"].stops
    assert "moves with 'delay', which leaks (rank correlation 0.8" in found["arrival"].text


def test_a_key_determines_the_target_trivially_and_is_none():
    key = pl.Series([f"u{v} name" for v in np.random.default_rng(4).permutation(N)])
    frame = table(TargetKind.CLASS).with_columns(key=key)
    schema, _ = infer_schema(frame, target="y", declared={"key": "categorical"})
    assert find_leaks(cast(frame, schema, where="f"), schema, TargetKind.CLASS) == []


def test_few_rows_stop_only_for_copies():
    frame = (
        table(TargetKind.CLASS)
        .head(200)
        .with_columns(wide=pl.col("y") * 10 + pl.col("x").clip(-3, 3), copy=pl.lit(1) - pl.col("y"))
    )
    found = leaks(frame)
    assert not found["wide"].stops
    assert found["copy"].stops
    assert set(leaks(frame.head(30))) == {"copy"}
    assert leaks(frame.head(12)) == {}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("y", "the two are equal, in all 120 rows looked at"),
        ("-3 * y + 1", "one falls as the other rises, in all 120 rows looked at"),
        ("y * y * y", "the two rise together, in all 120 rows looked at"),
    ],
)
@pytest.mark.parametrize("tail", [False, True])
def test_a_copy_of_a_number_stops_however_few_and_far_its_values(column, text, tail):
    u = np.random.default_rng(5).random(120)
    frame = pl.DataFrame({"x": u[::-1], "y": 1 / (u + 0.001) if tail else u})
    found = leaks(frame.with_columns(c=pl.sql_expr(column)))
    assert set(found) == {"c"}
    assert found["c"].stops
    assert found["c"].text == f"column 'c' alone foretells the target 'y': {text}"
    some = frame.with_columns(c=pl.when(pl.int_range(120) > 20).then(pl.sql_expr(column)))
    assert "99 rows" in leaks(some)["c"].text
    assert leaks(frame.with_columns(c=pl.sql_expr(column)).head(8)) == {}


def test_ties_must_be_shared():
    y = [float(i // 3) for i in range(60)]
    frame = pl.DataFrame({"c": range(60), "same": [v * 2 for v in y], "x": np.random.default_rng(6).random(60), "y": y})
    schema, _ = infer_schema(frame, target="y", declared={"c": "numeric"})
    found = {leak.column: leak.text for leak in find_leaks(cast(frame, schema, where="f"), schema, TargetKind.REAL)}
    assert "rise together" in found["same"]
    assert "R2 0.9" in found["c"], "finer than the target, and so judged on unseen rows"


def test_what_grows_with_time_is_no_copy():
    frame = pl.DataFrame({"year": range(1980, 2010), "x": [i * 7 % 11 for i in range(30)]})
    frame = frame.with_columns(y=pl.col("year") ** 1.5)
    assert set(leaks(frame)) == {"year"}
    schema, _ = infer_schema(frame, target="y", time="year")
    assert find_leaks(cast(frame, schema, where="f"), schema, TargetKind.REAL) == []


def test_a_recoding_of_rare_classes_stops():
    rng = np.random.default_rng(7)
    sick = np.isin(np.arange(200), rng.choice(200, 5, replace=False))
    frame = pl.DataFrame(
        {
            "code": np.where(sick, 7, 3),
            "ward": np.where(sick, "north", rng.choice(["south", "east"], 200)),
            "drug": [("a" if s else None) for s in sick],
            "near": np.where(sick ^ (np.arange(200) == 3), "b", "c"),
            "x": rng.normal(size=200),
            "y": np.where(sick, "sick", "well"),
        }
    )
    found = {name: leak.text.partition(": ")[2] for name, leak in leaks(frame).items()}
    assert found == {
        "code": "each of its 2 values goes with one class, in all 200 rows looked at",
        "ward": "each of its 3 values goes with one class, in all 200 rows looked at",
        "drug": "it is filled in for one class and empty for the other, in all 200 rows looked at",
    }


def test_chance_is_no_leak():
    rng = np.random.default_rng(8)
    for n, found in ((20, {"c"}), (14, set())):
        y = np.arange(n) % 2
        frame = pl.DataFrame({"c": 3 - y, "x": rng.normal(size=n), "y": y})
        assert set(leaks(frame)) == found
    # A thousand binary columns of twelve rows, one of which agrees; 300 numbers of ten rows.
    y = np.arange(12) % 2
    frame = pl.DataFrame({f"c{i}": rng.permutation(y) for i in range(1000)} | {"same": y, "y": y})
    assert leaks(frame) == {}
    frame = pl.DataFrame({f"c{i}": rng.random(10) for i in range(300)} | {"y": rng.random(10)})
    assert leaks(frame) == {}


def test_every_target_is_looked_at():
    frame = table(TargetKind.REAL).with_columns(z=pl.col("x") * 2 + 1)
    assert leaks(frame, ["y", "z"])["x"].text.startswith("column 'x' alone foretells the target 'z'")


def test_check_stops_unless_waived():
    frame = table(TargetKind.CLASS).with_columns(**{"a b": pl.lit(1) - pl.col("y"), "c": pl.col("y") * 3})
    schema, _ = infer_schema(frame, target="y")
    typed = cast(frame, schema, where="f")
    with pytest.raises(LeakageError) as error:
        check_leaks(typed, schema, TargetKind.CLASS)
    text = str(error.value)
    assert text.startswith("the target leaks into the features (2):")
    assert "data.exclude.'a b'=leak leaves it out, data.waive='[\"a b\"]' if it is known beforehand" in text
    notes = check_leaks(typed, schema, TargetKind.CLASS, waive=["a b", "c"])
    assert len(notes) == 2
    assert all(note.endswith("(waived)") for note in notes)
    with pytest.raises(LeakageError, match="data.waive names 'cc', which is no column; did you mean 'c'"):
        check_leaks(typed, schema, TargetKind.CLASS, waive=["a b", "c", "cc"])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([3, 10**6]).flatmap(
        lambda n: st.lists(st.tuples(st.integers(0, n), st.sampled_from(["a", None])), min_size=6, max_size=40)
    ),
    st.sampled_from([pl.Int64, pl.Float64]),
    st.data(),
)
def test_duplicates_against_brute_force(rows, dtype, data):
    frame = pl.DataFrame(rows, schema={"i": dtype, "s": pl.String}, orient="row")
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))
    parts = {name: np.flatnonzero(labels == k) for k, name in enumerate(("train", "val", "test"))}
    found = duplicates(frame, parts)
    for pair, count in found.items():
        later, earlier = pair.split(" in ")
        assert count == sum(rows[i] in [rows[j] for j in parts[earlier]] for i in parts[later])
    assert list(found) == ["val in train", "test in train", "test in val"]


@pytest.mark.data
@pytest.mark.skipif("COLONNADE_DATA" not in os.environ, reason="needs COLONNADE_DATA")
@pytest.mark.parametrize(
    ("name", "target", "stops", "suspects"),
    [
        ("titanic3", "survived", {"boat", "body"}, set()),
        ("airlines_2k", "IsDepDelayed", {"DepDelay", "DepTime", "CancellationCode"}, {"ArrDelay", "LateAircraftDelay"}),
        ("loans_full", "interest_rate", {"sub_grade"}, set()),
        ("bike_hour", "cnt", set(), set()),
        ("california_housing", "median_house_value", set(), set()),
        ("dry_bean", "16", set(), set()),
        ("occupancy_datatraining", "Occupancy", set(), {"date", "Light"}),
    ],
)
def test_real_tables(name, target, stops, suspects):
    found = leaks(pl.read_parquet(Path(os.environ["COLONNADE_DATA"]) / f"{name}.parquet"), target)
    assert {c for c, leak in found.items() if leak.stops} == stops
    assert {c for c, leak in found.items() if not leak.stops} == suspects


def test_a_predictive_but_legitimate_feature_does_not_stop():
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    frame = pl.DataFrame(data.data, schema=[f"x{i}" for i in range(30)]).with_columns(y=pl.Series(data.target))
    assert leaks(frame) == {}

"""Inference of kinds, targets and doubts."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.errors import DataError, SchemaError
from colonnade.core.schema import Kind, TargetKind
from colonnade.data.doubts import examine
from colonnade.data.infer import cast, infer_schema, target_doubt, target_kind

N = 60


def kind_of(values: list, name: str = "x", **options) -> tuple[Kind, list[str]]:
    schema, doubts = infer_schema(pl.DataFrame({name: values}), **options)
    return schema.columns[name].kind, [str(d) for d in doubts]


def cycle(*values: object) -> list:
    return [values[i % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (cycle(1.5, None, 2.0), Kind.NUMERIC),
        (cycle(3, 9, 27), Kind.INTEGER),
        (cycle(0, 1), Kind.BOOLEAN),
        (cycle(True, False, None), Kind.BOOLEAN),
        (cycle("yes", "No", "?"), Kind.BOOLEAN),
        (cycle("true", "FALSE"), Kind.BOOLEAN),
        (cycle("0", "1"), Kind.BOOLEAN),
        (cycle("yes", "no", "maybe"), Kind.CATEGORICAL),
        (cycle("1", "2", "30"), Kind.INTEGER),
        (cycle("1", "2.5", "NA"), Kind.NUMERIC),
        (cycle("1e3", "-2"), Kind.NUMERIC),
        (cycle(" 1", "2 "), Kind.INTEGER),
        (cycle("a", "b", "c"), Kind.CATEGORICAL),
        (cycle("007", "012", "100"), Kind.CATEGORICAL),
        (cycle("12345678901234567890123", "1"), Kind.CATEGORICAL),
        (cycle(date(2024, 1, 2), None), Kind.DATETIME),
        (cycle("2024-01-02", "2024-05-31"), Kind.DATETIME),
        (cycle("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.25Z"), Kind.DATETIME),
        (cycle("2024-01-02 03:04", "2024-12-02 03:04"), Kind.DATETIME),
        (cycle("31.12.2023", "01.02.2023"), Kind.DATETIME),
        (cycle("12/31/2023 1:05 PM", "01/02/2023 11:59 AM"), Kind.DATETIME),
        (cycle("Mar-2018", "Feb-2017"), Kind.DATETIME),
        (cycle("March 5, 2018", "May 15, 2018"), Kind.DATETIME),
        ([f"k-{i}" for i in range(N)], Kind.ID),
        ([f"user number {i} wrote a long remark" for i in range(N)], Kind.TEXT),
        (list(range(1, N + 1)), Kind.ID),
        ([str(i) for i in range(1, N + 1)], Kind.ID),
        ([i * 37 % 1009 for i in range(N)], Kind.INTEGER),
        (cycle(None), Kind.NUMERIC),
        (cycle("", "NA"), Kind.CATEGORICAL),
    ],
)
def test_kind(values, kind):
    assert kind_of(values)[0] is kind


def test_names_matter_for_keys_and_times():
    spread = [i * 37 % 1009 for i in range(N)]
    assert kind_of(spread, "customer_id")[0] is Kind.ID
    assert kind_of([v % 30 for v in spread], "shopId")[0] is Kind.CATEGORICAL
    assert kind_of(list(range(1950, 1950 + N)), "year")[0] is Kind.INTEGER
    assert kind_of(list(range(1950, 1950 + N)), target="x")[0] is Kind.INTEGER, "a target is never a key"
    assert kind_of(list(range(N)), group="x")[0] is Kind.INTEGER
    assert kind_of(spread, "person")[0] is Kind.INTEGER


def test_targets_keep_their_labels():
    frame = pl.DataFrame({"a": cycle("yes", "no"), "b": cycle(0, 1), "c": cycle(0.0, 1.0), "d": cycle("1.0", "0.0")})
    schema, _ = infer_schema(frame, target=list("abcd"))
    assert [c.kind for c in schema.columns.values()] == [Kind.CATEGORICAL, Kind.INTEGER, Kind.INTEGER, Kind.INTEGER]
    assert cast(frame, schema, where="f")["d"].to_list()[:2] == [1, 0]


def test_doubts_are_said_with_their_fix():
    assert "keep it with data.columns.x=integer" in kind_of(list(range(N)))[1][0]
    assert "digits with leading zeros: kept as text; data.columns.x=integer" in kind_of(cycle("01", "23"))[1][0]
    assert "digits beyond 64 bits: kept as text" in kind_of(cycle("12345678901234567890123"))[1][0]
    assert "thousands separators are taken for text: data.columns.x=numeric" in kind_of(cycle("1,234", "12,500"))[1][0]
    assert "decimal commas are taken for text: data.decimal=','" in kind_of(cycle("1,5", "2,25"))[1][0]
    assert "a currency sign or per cent" in kind_of(cycle("$5", "$1,200.50"))[1][0]
    assert "numbers and text such as 'x1'" in kind_of(cycle("x1", "2", "3", "4"))[1][0]
    assert "looks like dates written as yyyymmdd: data.columns.x=datetime" in kind_of(cycle(20240131, 20231201))[1][0]
    assert "time since 1970" in kind_of(cycle(1_700_000_000, 1_600_000_000), "timestamp")[1][0]
    assert (
        "'NA' read as missing (50.0% of rows); data.missing=[] keeps it as a level" in kind_of(cycle("NA", "EU"))[1][0]
    )
    ambiguous = kind_of(cycle("01/02/2024", "03/04/2024"))[1][0]
    assert "read as %d/%m/%Y; else data.columns.x='datetime:%m/%d/%Y'" in ambiguous
    assert kind_of(cycle("NA", "EU"), missing=[])[1] == []


def test_a_key_with_an_odd_name_is_quoted():
    assert "data.columns.'row no'=integer" in kind_of(list(range(N)), "row no")[1][0]


def test_known_words_have_an_order():
    def ordinal(*words: str) -> tuple[tuple[str, ...] | None, list[str]]:
        schema, doubts = infer_schema(pl.DataFrame({"c": cycle(*words)}))
        column = schema.columns["c"]
        assert (column.kind is Kind.ORDINAL) == (column.levels is not None)
        return column.levels, [str(d) for d in doubts]

    assert ordinal("medium", "low", "high") == (
        ("low", "medium", "high"),
        [
            "c: words of a known scale: taken for data.levels.c=[low,medium,high]; data.columns.c=categorical if they "
            "have no order"
        ],
    )
    assert ordinal("S", "L", "M", "XL")[0] == ("S", "M", "L", "XL")
    assert ordinal("Third", "First", "Second", "NA")[0] == ("First", "Second", "Third")
    assert ordinal("often", "NEVER", "Sometimes")[0] == ("NEVER", "Sometimes", "often")
    levels, doubts = ordinal("agree", "strongly_agree", "Strongly disagree", "neutral")
    assert levels == ("Strongly disagree", "neutral", "agree", "strongly_agree")
    assert "data.levels.c='[Strongly disagree,neutral,agree,strongly_agree]'" in doubts[0]
    assert ordinal("none", "mild", "moderate", "severe")[0] == ("none", "mild", "moderate", "severe")
    for no_scale in (
        ("low", "high"),
        ("low", "Low", "medium", "high"),
        ("low", "medium", "high", "odd"),
        ("S", "M", "D"),
    ):
        assert ordinal(*no_scale)[0] is None
    late = ["low", "medium", "high"] * 20_000 + ["unheard of"]
    assert infer_schema(pl.DataFrame({"c": late}))[0].columns["c"].kind is Kind.CATEGORICAL
    frame = pl.DataFrame({"c": cycle("low", "medium", "high")})
    assert infer_schema(frame, target="c")[0].columns["c"].kind is Kind.CATEGORICAL
    declared, doubts = infer_schema(frame, declared={"c": "categorical"})
    assert (declared.columns["c"].levels, doubts) == (None, [])


def test_the_only_key_is_handed_on():
    frame = pl.DataFrame({"no": range(N), "code": [f"k{i}" for i in range(N)], "x": cycle(1.5, 2.5)})
    schema, doubts = infer_schema(frame)
    assert schema.row_id is None, "of two keys none is chosen"
    schema, doubts = infer_schema(frame.drop("code"))
    assert schema.row_id == "no"
    assert [str(d) for d in doubts] == [
        "no: a different integer in every row: taken for a key, left out; keep it with data.columns.no=integer; "
        "predict hands it on, as data.row_id"
    ]
    schema, doubts = infer_schema(frame, row_id="no")
    assert schema.row_id == "no"
    assert "data.row_id" not in str(doubts[0])
    assert infer_schema(frame, exclude={"code": "old"})[0].row_id == "no"
    assert infer_schema(frame.drop("code"), exclude={"no": "old"})[0].row_id is None
    assert infer_schema(frame.drop("code"), target="no")[0].row_id is None
    assert infer_schema(frame.drop("code"), group="no")[0].row_id is None


def test_many_levels_are_doubted():
    def doubts(values: list, **options) -> list[str]:
        return [str(d) for d in infer_schema(pl.DataFrame({"sp ace": values}), **options)[1]]

    many = [f"c{i % 3451}" for i in range(6000)]
    said = "sp ace: 3,451 levels in 6,000 rows: few rows to learn each from; data.exclude.'sp ace'=key leaves it out"
    assert doubts(many) == [said]
    assert doubts(many, declared={"sp ace": "categorical"}) == [said]
    assert doubts(many, group="sp ace") == []
    assert "51 levels in 90 rows" in doubts([f"c{i % 51}" for i in range(90)])[0]
    assert doubts([f"c{i % 50}" for i in range(90)]) == []
    assert doubts([f"c{i % 51}" for i in range(110)]) == []
    long = [f"c{i * 7919 % 1001}" for i in range(50_000)]
    assert "1,001 levels in 50,000 rows" in doubts(long)[0]


def test_declarations_win_and_formats_are_kept():
    frame = pl.DataFrame(
        {"when": cycle("01/02/2024", "03/04/2024"), "size": cycle("S", "L", "M"), "zip": cycle("01", "2")}
    )
    schema, _ = infer_schema(
        frame,
        declared={"when": "datetime:%m/%d/%Y", "zip": "integer"},
        levels={"size": ["S", "M", "L"]},
    )
    assert schema.columns["size"].kind is Kind.ORDINAL
    assert schema.columns["when"].format == "%m/%d/%Y"
    typed = cast(frame, schema, where="f")
    assert str(typed["when"][0]) == "2024-01-02 00:00:00"
    assert typed["zip"][0] == 1


def test_all_name_faults_together():
    frame = pl.DataFrame(
        {"age": cycle(1, 2, 5), "city": cycle("a", "b"), "tags": cycle([1], [2]), "o": cycle("x", "y")}
    )
    with pytest.raises(SchemaError) as error:
        infer_schema(
            frame,
            target="agee",
            declared={"city": "categoric", "cty": "text", "o": "ordinal"},
            levels={"city": ["a"]},
            group="citi",
        )
    text = str(error.value)
    assert "data.target=agee is no column; did you mean 'age'?" in text
    assert "data.columns.city=categoric is no kind; did you mean 'categorical'?" in text
    assert "data.columns.cty is no column; did you mean 'city'?" in text
    assert "data.group=citi is no column; did you mean 'city'?" in text
    assert "column 'tags' holds List(Int64): flatten it, or data.exclude.tags=nested" in text
    assert "ordinal column 'o' needs its order: data.levels.o=[low,...,high]" in text


def test_values_outside_levels():
    frame = pl.DataFrame({"size": cycle("S", "M", "XL")})
    with pytest.raises(SchemaError, match=r"data.levels.size lacks 1 values of the column: 'XL'"):
        infer_schema(frame, levels={"size": ["S", "M"]})


def test_roles():
    frame = pl.DataFrame({"w": cycle("1", "2"), "when": cycle("soon", "late"), "y": cycle(1, 2)})
    assert infer_schema(frame, weight="w")[0].columns["w"].kind is Kind.NUMERIC
    with pytest.raises(SchemaError, match=r"data.time=when is categorical, not a time: data.columns.when=datetime"):
        infer_schema(frame, time="when")
    with pytest.raises(SchemaError, match="column 'y' is both data.target and data.group"):
        infer_schema(frame, target="y", group="y")
    with pytest.raises(SchemaError, match="columns but no rows"):
        infer_schema(frame.head(0))


def test_excluded_columns_are_never_at_fault():
    frame = pl.DataFrame({"mess": ["1"] * (N - 1) + ["x"], "list": cycle([1], [2]), "a": cycle(1.0, 2.0)})
    schema, doubts = infer_schema(frame, exclude={"mess": "broken", "list": "nested"})
    assert schema.features == ("a",)
    assert doubts == []
    assert cast(frame, schema, where="f").columns == ["mess", "a"]


def test_one_late_decimal_is_seen_beyond_the_sample():
    values = ["1"] * 50_000 + ["2.5"] + ["3"] * 9_999
    assert kind_of(values)[0] is Kind.NUMERIC
    values[50_000] = "02"
    assert kind_of(values)[0] is Kind.CATEGORICAL


@pytest.mark.parametrize(
    ("values", "kind", "task"),
    [
        (cycle("a", "b"), TargetKind.CLASS, "binary"),
        (cycle(True, False), TargetKind.CLASS, "binary"),
        (cycle(1, 2), TargetKind.CLASS, "binary"),
        (cycle(1, 2, 3), TargetKind.CLASS, "multiclass"),
        (cycle("a", "b", None, "c"), TargetKind.CLASS, "multiclass"),
        (cycle(1, 2, 300), TargetKind.REAL, "regression"),
        (cycle(*range(10)), TargetKind.REAL, "regression"),
        (cycle(0.5, 1.5), TargetKind.REAL, "regression"),
        (cycle(*range(30)), TargetKind.REAL, "regression"),
    ],
)
def test_target_kind(values, kind, task):
    frame = pl.DataFrame({"y": values})
    schema, _ = infer_schema(frame, target="y")
    assert target_kind(cast(frame, schema, where="f"), schema) == (kind, task)


def test_several_targets():
    def of(**columns: list) -> tuple[TargetKind, str]:
        frame = pl.DataFrame(columns)
        schema, _ = infer_schema(frame, target=list(columns))
        return target_kind(cast(frame, schema, where="f"), schema)

    assert of(a=cycle(0, 1), b=cycle("1", "0"), c=cycle(True, False)) == (TargetKind.MULTILABEL, "multilabel")
    assert of(a=cycle(0.5, 1), b=cycle(3, 4)) == (TargetKind.REAL, "regression")
    with pytest.raises(DataError, match=r"'a' is categorical, 'b' is integer; data.columns.<name>=boolean"):
        of(a=cycle("u", "v"), b=cycle(0, 1))


def test_hopeless_targets():
    def of(values: list, **options) -> None:
        frame = pl.DataFrame({"y": values})
        schema, _ = infer_schema(frame, target="y", **options)
        target_kind(cast(frame, schema, where="f"), schema)

    with pytest.raises(DataError, match="target 'y' has the single value 'a' in all 60 rows: nothing to learn"):
        of(cycle("a"))
    with pytest.raises(DataError, match="target 'y' is missing in all 60 rows"):
        of(cycle("?"))
    with pytest.raises(DataError, match="60 distinct values in 60 rows: too many for classes"):
        of([f"n{i}" for i in range(N)])
    with pytest.raises(DataError, match="target 'y' is a date"):
        of(cycle("2024-01-01", "2024-01-02"))
    schema, _ = infer_schema(pl.DataFrame({"y": cycle(1, 2)}))
    with pytest.raises(DataError, match="data.target=<column>"):
        target_kind(pl.DataFrame({"y": cycle(1, 2)}), schema)


def test_the_integer_rule_is_stated():
    def doubt(values: list) -> str:
        frame = pl.DataFrame({"y": values})
        return "".join(map(str, target_doubt(frame, infer_schema(frame, target="y")[0])))

    assert (
        doubt(cycle(1, 2, 3)) == "y: 3 distinct integers, 1 to 3: read as classes; task=regression if they are amounts"
    )
    assert "read as numbers; task=multiclass if they are classes" in doubt(cycle(1, 2, 300))
    assert doubt(cycle(1, 2)) == ""


def test_examine_names_what_to_look_at():
    frame = pl.DataFrame(
        {
            "same": [1.0] * 200,
            "void": pl.Series([None] * 200, dtype=pl.Float64),
            "case": ["Male", "male", "f", "unknown"] * 50,
            "far": [0.1 * (i % 7) for i in range(199)] + [1e9],
            "temp": [20.0 + i % 9 for i in range(198)] + [-999.0] * 2,
            "y": ["a"] * 190 + ["b"] * 9 + ["c"],
        }
    )
    schema, _ = infer_schema(frame, target="y")
    found = {(d.column, d.kind): d.text for d in examine(frame, schema, TargetKind.CLASS)}
    assert found["same", "constant"] == "constant (1.0): dropped by the pipeline"
    assert found["void", "all_missing"] == "every value is missing: dropped by the pipeline"
    assert found["case", "case"].startswith("'Male' and 'male' differ only by case")
    assert found["case", "missing"] == "'unknown' (50 rows) may mean missing: add it to data.missing"
    assert "far beyond the middle half" in found["far", "skew"]
    assert found["temp", "missing"] == "the lowest value -999 (2 rows) may mean missing"
    assert found["y", "imbalance"] == "imbalanced, 190 rows of the largest class for 1 of the smallest"
    assert found["y", "target"].startswith("1 classes with fewer than 3 rows: c (1)")
    for name in ("count", "value", "lower", "literal"):
        odd = frame.select(pl.col("case").alias(name), pl.col("y"))
        kinds = {d.kind for d in examine(odd, infer_schema(odd, target="y")[0], TargetKind.CLASS)}
        assert {"case", "missing", "imbalance"} <= kinds
    doubled = pl.concat([frame, frame])
    assert ("", "duplicates") in {(d.column, d.kind) for d in examine(doubled, schema, TargetKind.CLASS)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=6), st.integers().map(str), st.floats().map(str)), min_size=1))
def test_any_text_column_gets_a_kind_and_most_can_be_cast(values):
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    schema, _ = infer_schema(frame)
    kind = schema.columns["x"].kind
    if kind in (Kind.CATEGORICAL, Kind.TEXT, Kind.ID, Kind.BOOLEAN):
        assert cast(frame, schema, where="f").height == frame.height
    else:
        # Only what is mostly numbers or dates, and not all of them, is refused, and by name.
        try:
            cast(frame, schema, where="f")
        except SchemaError as error:
            if "column 'x' has " not in str(error):
                raise


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_integers_survive_as_they_are(values):
    text = pl.DataFrame({"x": [None, *map(str, values)]})
    schema, _ = infer_schema(text, declared={"x": "integer"})
    assert cast(text, schema, where="f")["x"].to_list() == [None, *values]


@pytest.mark.data
@pytest.mark.skipif("COLONNADE_DATA" not in os.environ, reason="needs COLONNADE_DATA")
def test_real_tables_read_as_text_get_the_kinds_of_typed_ones():
    folder = Path(os.environ["COLONNADE_DATA"])
    targets = {"california_housing": "median_house_value", "bank_full": "y", "titanic3": "survived", "bike_hour": "cnt"}
    for name, target in targets.items():
        typed = pl.read_parquet(folder / f"{name}.parquet")
        by_type, _ = infer_schema(typed, target=target)
        by_text, _ = infer_schema(typed.cast(pl.String), target=target)
        assert {c.name: c.kind for c in by_type.columns.values()} == {c.name: c.kind for c in by_text.columns.values()}
        assert cast(typed, by_type, where=name).equals(cast(typed.cast(pl.String), by_text, where=name))

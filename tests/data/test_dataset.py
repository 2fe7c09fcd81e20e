"""TableDataset: from YAML to a typed table, and new files into a stored schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import ColonnadeError, ConfigError, DataError, SchemaError
from colonnade.core.schema import Kind
from colonnade.data.dataset import TableDataset
from colonnade.data.sources.frame import Frame

CSV = """id,age,zip,size,joined,y
1,39,02134,S,2024-01-31,no
2,,90210,L,2024-02-01,yes
3,50,10001,M,?,
4,27,10002,M,,no
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text(CSV)
    return path


def dataset(file: Path, **options) -> TableDataset:
    return TableDataset(path=str(file), target="y", row_id="id", **options)


def refusal(kind: type[ColonnadeError], function, *args, **options) -> str:
    with pytest.raises(kind) as error:
        function(*args, **options)
    return str(error.value)


def test_read(file):
    table = dataset(file, columns={"size": "ordinal"}, levels={"size": ["S", "M", "L"]}).read()
    kinds = {name: column.kind for name, column in table.schema.columns.items()}
    assert kinds == {
        "id": Kind.ID,
        "age": Kind.INTEGER,
        "zip": Kind.CATEGORICAL,
        "size": Kind.ORDINAL,
        "joined": Kind.DATETIME,
        "y": Kind.CATEGORICAL,
    }
    assert table.frame["age"].to_list() == [39, None, 50, 27]
    assert table.frame["zip"].to_list() == ["02134", "90210", "10001", "10002"]
    assert table.frame["joined"].null_count() == 2
    assert table.frame["id"].dtype == pl.String
    assert table.row_ids is None
    assert table.origin[0]["file"] == str(file)
    assert len(table.origin[0]["sha256"]) == 64
    assert len(table) == 4


def test_rows_without_a_target_are_left_out_on_demand(file):
    assert dataset(file).read().frame["y"].null_count() == 1
    table = dataset(file, drop_missing_target=True).read()
    assert table.frame["age"].to_list() == [39, None, 27]
    assert table.row_ids.tolist() == [0, 1, 3]
    assert table.notes[-1] == "1 rows without a target were left out"


def test_filter_keeps_ids_and_parts(file):
    parts = {"train": [0, 2], "test": [2, None]}
    table = dataset(file, filter="age > 30", parts=parts).read()
    assert table.frame["age"].to_list() == [39, 50]
    assert table.row_ids.tolist() == [0, 2]
    assert table.parts == {"train": (0, 1), "test": (1, 2)}
    text = refusal(DataError, dataset(file, filter="age > 45", drop_missing_target=True).read)
    assert text == f"{file}: no rows are left: 4 rows read, 1 after data.filter, 0 after data.drop_missing_target"


def test_select_and_replace(file):
    select = {"half": "age / 2", "big": "CASE WHEN size = 'L' THEN 1 ELSE 0 END", "y": "y"}
    table = TableDataset(path=str(file), target="y", replace={"y": {"yes": "ja"}}, select=select).read()
    assert table.frame.columns == ["half", "big", "y"]
    assert table.frame["half"].to_list() == [19.5, None, 25.0, 13.5]
    assert table.frame["y"].to_list() == ["no", "ja", None, "no"]


def test_categories_called_na(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("country,n,y\nNA,1,0\nDE,NA,1\nDE,3,1\n")
    levels = {"country": ["NA", "DE"]}
    made = TableDataset(path=str(path), target="y", columns={"country": "categorical"}, levels=levels)
    table = made.read()
    assert table.frame["country"].to_list() == ["NA", "DE", "DE"]
    assert table.frame["n"].to_list() == [1, None, 3]
    new = made.read_new(path, table.schema, need_target=False)
    assert new.frame["country"].to_list() == ["NA", "DE", "DE"]


def test_frame_and_sql(tmp_path):
    frame = pl.DataFrame({"a": [1.5, float("nan")], "y": [0, 1]})
    table = TableDataset(source=Frame(frame), target="y").read()
    assert table.frame["a"].to_list() == [1.5, None]
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE t (a REAL, y TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(0.5, "no"), (None, "yes")])
    table = TableDataset(sql={"uri": f"sqlite:///{tmp_path}/shop.db", "query": "SELECT * FROM t"}, target="y").read()
    assert table.frame.to_dict(as_series=False) == {"a": [0.5, None], "y": ["no", "yes"]}


def test_exclude():
    made = TableDataset(exclude=["a", "b"])
    assert made.exclude == {"a": "excluded by the user", "b": "excluded by the user"}
    assert TableDataset(exclude={"a": "leaks", "b": None}).exclude == {"a": "leaks"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"path": "x.csv", "files": []},
            "the data come from one place, but path and files are set: for your own file, data=table data.path=...",
        ),
        ({"decimal": ";"}, "decimal=';': one of '.', ','"),
        ({"infinite": "drop"}, "infinite='drop': one of 'error', 'clip', 'missing'"),
        ({"delimiter": "||"}, "delimiter='||': one ASCII character, or null"),
        ({"delimiter": ",", "decimal": ","}, "delimiter and decimal are both ','"),
        ({"skip": -1}, "skip=-1: 0 or more lines"),
        ({"parts": {"dev": [0, 1]}}, "parts.dev: one of train, val, test"),
        ({"parts": {"test": [0]}}, "parts.test=[0]: [start, stop] is expected"),
        (
            {"parts": {"train": [0, 110], "test": [100, 120]}},
            "parts.train=[0, 110] and parts.test=[100, 120] share rows",
        ),
        (
            {"parts": {"test": [100, None], "val": [None, 50], "train": [40, 101]}},
            "parts.test=[100, None] and parts.train=[40, 101] share rows; "
            "parts.val=[None, 50] and parts.train=[40, 101] share rows",
        ),
        ({"target": ["y", "z", "y"]}, "target names 'y' twice"),
        ({"columns": {"c": "numerc"}}, "columns.c=numerc is no kind; did you mean 'numeric'?"),
        (
            {"timezone": "Europe/Berln", "encoding": "utf-9"},
            "timezone=Europe/Berln is no IANA zone; did you mean 'Europe/Berlin'?; "
            "encoding=utf-9 is no known encoding; did you mean 'utf-8' or 'utf-16'?",
        ),
        ({"filter": "x >"}, "filter=x >: not a SQL expression (unable to parse 'x >' as Expr)"),
        (
            {"select": {"a": "b", "c d": "(x"}},
            "select.'c d'=(x: not a SQL expression (unable to parse '(x' as Expr)",
        ),
        ({"sql": {"uri": "sqlite:///x.db"}}, "sql: query is not set: data.sql.query=..."),
        ({"sql": {"url": "x"}}, "sql: unknown key 'url'; did you mean 'uri'?"),
        ({"files": [{"file": "x", "sha": "0"}]}, "files: unknown key 'sha'; did you mean 'sha256'?"),
    ],
)
def test_arguments(options, text):
    assert refusal_of_value(options) == text


def refusal_of_value(options: dict) -> str:
    with pytest.raises(ValueError) as error:
        TableDataset(**options)
    return str(error.value)


def test_no_data():
    assert refusal(ConfigError, TableDataset().read) == (
        "no data: data.path=<file> data.target=<column> for your own table, or data=<name> for a known one"
    )


def test_names_that_are_not_there(file):
    text = refusal(SchemaError, TableDataset(path=str(file), target="Y", weight="wieght", exclude=["sizes"]).read)
    assert "data.target=Y is no column" in text
    assert "data.weight=wieght is no column" in text
    assert "data.exclude.sizes is no column; did you mean 'size'?" in text
    text = refusal(SchemaError, dataset(file, replace={"agee": {}}).read)
    assert text == "data.replace.agee is no column; did you mean 'age'?"


def test_values_that_do_not_fit_are_named_with_their_lines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,y\n" + "1,2.5,0\n2,3.5,1\n" * 20 + "x,1e400,1\n")
    text = refusal(SchemaError, TableDataset(path=str(path), target="y", columns={"a": "numeric"}).read)
    assert f"{path}: values that do not fit their columns (2):" in text
    assert "column 'a' has 1 values that are no number (line 42: 'x')" in text
    assert "column 'b' has 1 infinite values (line 42: 1e400): correct them, or data.infinite=clip" in text
    made = TableDataset(path=str(path), target="y", columns={"a": "categorical"}, infinite="clip")
    frame = made.read().frame
    assert frame["b"].max() == 3.5
    assert frame["a"].to_list()[-1] == "x"


def test_lines_are_counted_as_an_editor_does(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('# by hand\na,b,y\n\n1,"two\nlines",0\n# more\n2,c,1\n\nx,d,1\n')
    made = TableDataset(path=str(path), target="y", comment="#", columns={"a": "numeric"})
    assert "no number (line 9: 'x')" in refusal(SchemaError, made.read)
    schema = TableDataset(source=Frame(pl.DataFrame({"a": [0.5], "b": ["u"], "y": [0]})), target="y").read().schema
    assert "no number (line 9: 'x')" in refusal(SchemaError, made.read_new, path, schema, need_target=True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_categories_that_are_taken_for_missing_are_told(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    country, label = ["DE", "NA", "FR", "None"] * 30, ["no", "yes", "?"] * 40
    frame = pl.DataFrame({"country": country, "n": [i % 7 / 2 for i in range(120)], "y": label})
    getattr(frame, f"write_{ending}")(path)
    table = TableDataset(path=str(path), target="y").read()
    assert table.notes == [
        "country: 'NA', 'None' read as missing (50.0% of rows); data.missing=[] keeps it as a level",
        "y: '?' read as missing (33.3% of rows); data.missing=[] keeps it as a level",
    ]
    assert table.schema.columns["y"].note == "'?' read as missing (33.3% of rows); data.missing=[] keeps it as a level"
    assert TableDataset(path=str(path), target="y", missing=[]).read().notes == []
    derived = TableDataset(path=str(path), target="y", select={"country": "n", "y": "n"})
    assert derived.read().notes == []


def test_numbers_that_are_dates(tmp_path):
    columns = {"day": "datetime", "seen": "datetime"}
    frame = pl.DataFrame({"day": [20240102, 20240103], "seen": [1700000000, 1700000001], "y": [0, 1]})
    frame.write_csv(tmp_path / "x.csv")
    frame.write_parquet(tmp_path / "x.parquet")
    tables = [
        TableDataset(path=str(tmp_path / f"x.{e}"), target="y", columns=columns).read() for e in ("csv", "parquet")
    ]
    assert tables[0].frame.equals(tables[1].frame)
    assert str(tables[0].frame["day"][0]) == "2024-01-02 00:00:00"


def test_decimal_commas_and_dots_between_thousands(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a;b;y\n" + "1.100,50;1.100;0\n2,5;12;1\n" * 20)
    table = TableDataset(path=str(path), target="y", decimal="comma").read()
    assert table.frame.head(2).rows() == [(1100.5, 1100, 0), (2.5, 12, 1)]
    assert [c.kind for c in table.schema.columns.values()] == [Kind.NUMERIC, Kind.INTEGER, Kind.INTEGER]


def test_characters_have_names_that_need_no_quoting(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a;y\n1,5;0\n2;1\n")
    made = TableDataset(path=str(path), target="y", delimiter="semicolon", decimal="comma")
    assert made.read().frame["a"].to_list() == [1.5, 2.0]
    path.write_text("a\ty\n1.5\t0\n2\t1\n")
    assert TableDataset(path=str(path), target="y", delimiter="tab").read().frame["a"].to_list() == [1.5, 2.0]
    assert TableDataset(path=str(path), target="y", delimiter="\\t", decimal="point").read().frame.height == 2


def test_parts_out_of_range(file):
    assert refusal(ConfigError, dataset(file, parts={"train": [0, 9]}).read) == (
        "data.parts.train=[0, 9] does not lie within the 4 rows"
    )


def test_read_new_conforms_by_name(file, tmp_path):
    made = dataset(file)
    table = made.read()
    new = tmp_path / "new.csv"
    new.write_text("extra,zip,age,size,joined\nu,00501,40,S,2024-03-01\n")
    got = made.read_new(new, table.schema, need_target=False)
    assert got.frame.columns == ["age", "zip", "size", "joined"]
    assert got.frame.row(0)[:3] == (40, "00501", "S")
    assert got.frame.schema["joined"] == pl.Datetime("us")
    text = refusal(SchemaError, made.read_new, new, table.schema, need_target=True)
    assert f"{new}: the columns are not those the model was trained on" in text
    assert "column 'y' (categorical) is missing" in text


def test_read_new_in_another_format(file, tmp_path):
    made = dataset(file)
    table = made.read()
    pl.read_csv(file, infer_schema=False).write_parquet(tmp_path / "new.parquet")
    got = made.read_new(tmp_path / "new.parquet", table.schema, need_target=True)
    assert got.frame.equals(table.frame.select(got.frame.columns))
    assert len(got) == 4


def test_read_new_derives_columns_unless_they_are_there(file, tmp_path):
    select = {"half": "age / 2", "size": "size"}
    made = TableDataset(path=str(file), target="half", select=select, drop_missing_target=True)
    table = made.read()
    new = tmp_path / "new.csv"
    new.write_text("size\nS\n")
    assert made.read_new(new, table.schema, need_target=False).frame.to_dict(as_series=False) == {"size": ["S"]}
    new.write_text("size,age\nS,40\nM,\n")
    got = made.read_new(new, table.schema, need_target=True)
    assert got.frame["half"].to_list() == [20.0]
    assert got.row_ids.tolist() == [0]
    new.write_text("size,half\nS,7\n")
    assert made.read_new(new, table.schema, need_target=True).frame["half"].to_list() == [7.0]
    new.write_text("size,ages\nS,7\n")
    assert refusal(SchemaError, made.read_new, new, table.schema, need_target=True) == (
        "data.select.half=age / 2: there is no column 'age'; did you mean 'ages'?"
    )


def test_read_new_derives_columns_that_keep_their_name(file, tmp_path):
    made = TableDataset(path=str(file), target="y", select={"age": "age * 2", "y": "y"})
    schema = made.read().schema
    assert made.read_new(file, schema, need_target=False).frame["age"].to_list() == [78, None, 100, 54]


def test_every_row_is_kept_when_only_predicting(file):
    made = dataset(file, filter="age > 30", drop_missing_target=True)
    schema = made.read().schema
    assert len(made.read_new(file, schema, need_target=False)) == 4
    assert len(made.read_new(file, schema, need_target=True)) == 1
    assert np.array_equal(made.read_new(file, schema, need_target=True).row_ids, [0])

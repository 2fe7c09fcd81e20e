"""Queries on SQLite and DuckDB files, through every engine."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.sql import Sql

EXPECTED = pl.DataFrame({"n": [1, 2, None], "x": [0.5, None, 2.5], "s": ["a", "b", None]})
MAKE = (
    "CREATE TABLE t (n INTEGER, x DOUBLE, s VARCHAR)",
    "INSERT INTO t VALUES (1, .5, 'a'), (2, NULL, 'b'), (NULL, 2.5, NULL)",
)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        for statement in MAKE:
            connection.execute(statement)
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def duck(tmp_path: Path) -> str:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        for statement in MAKE:
            connection.execute(statement)
    return f"duckdb:///{tmp_path}/shop.duckdb"


@pytest.mark.parametrize("engine", ["auto", "sqlalchemy", "adbc"])
def test_sqlite(sqlite, engine):
    source = Sql(uri=sqlite, query="SELECT * FROM t", engine=engine)
    frame = source.read()
    assert frame.with_columns(pl.col("n").cast(pl.Int64)).equals(EXPECTED)
    digest = hashlib.sha256(b"SELECT * FROM t").hexdigest()
    assert source.origin[0]["file"] == f"{sqlite}: query {digest}", "the query may hold a secret"
    assert len(source.origin[0]["sha256"]) == 64


def test_duckdb(duck):
    frame = Sql(uri=duck, query="SELECT * FROM t").read()
    assert frame.with_columns(pl.col("n").cast(pl.Int64)).equals(EXPECTED)


def refusal(**options) -> str:
    with pytest.raises(DataError) as error:
        Sql(**options).read()
    return str(error.value)


@pytest.mark.parametrize("engine", ["sqlalchemy", "adbc"])
def test_refuses_on_sqlite(sqlite, engine):
    assert "no such table: u" in refusal(uri=sqlite, query="SELECT * FROM u", engine=engine)
    assert refusal(uri=sqlite, query="SELECT * FROM t WHERE n > 5", engine=engine).endswith(
        "shop.db: 0 rows from data.sql.query"
    )
    assert "duplicate column names in the query" in refusal(uri=sqlite, query="SELECT n, n FROM t", engine=engine)
    assert refusal(uri="sqlite:///no.db", query="SELECT 1", engine=engine) == (
        "data.sql.uri=sqlite:///no.db: no such database file"
    )
    assert not Path("no.db").exists()


@pytest.mark.parametrize("engine", ["sqlalchemy", "adbc"])
def test_sqlite_is_only_read(sqlite, engine, tmp_path):
    for command in ("drop table t", "DELETE FROM t", "INSERT INTO t VALUES (9, 9, 'z') RETURNING n"):
        text = refusal(uri=sqlite, query=command, engine=engine)
        assert "readonly" in text or "data.sql.query gives no table; it must be a SELECT" in text
    assert refusal(uri=sqlite, query="pragma foreign_keys=on", engine=engine) == (
        f"{sqlite}: data.sql.query gives no table; it must be a SELECT"
    )
    assert Sql(uri=sqlite, query="SELECT * FROM t", engine=engine).read().height == 3
    (tmp_path / "shop.db").rename(tmp_path / "a b?#%41.db")
    odd = f"sqlite:///{tmp_path}/a b?#%41.db"
    assert Sql(uri=odd, query="SELECT * FROM t", engine=engine).read().height == 3


def test_duckdb_is_only_read(duck):
    assert "read-only mode" in refusal(uri=duck, query="drop table t")
    assert refusal(uri=duck, query="DROP TABLE t").endswith("data.sql.query gives no table; it must be a SELECT")


def test_refuses_on_duckdb(duck):
    assert "Table with name u does not exist" in refusal(uri=duck, query="SELECT * FROM u")
    assert "duplicate column names in the query: name them with AS" in refusal(uri=duck, query="SELECT n, n FROM t")
    assert refusal(uri="duckdb:///no.duckdb", query="SELECT 1").endswith("no such database file")


def test_passwords_are_not_shown():
    text = refusal(uri="nosuch://anna:secret@host/shop", query="SELECT 1")
    assert "secret" not in text
    assert text.startswith("nosuch://anna:***@host/shop: ")
    assert "secret" not in str(Sql(uri="postgresql://anna:secret@host/shop", query="SELECT 1").origin)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("nosuch://h/db?user=u&password=hunter2", "nosuch://h/db?***"),
        ("nosuch://u:p%40ss/hunter2@h/x", "nosuch://u:***@h/x"),
        ("nosuch://u:p@ss/hunter2@h/x", "nosuch://u:***@h/x"),
        ("duckdb:///md:x?motherduck_token=hunter2", "duckdb:///md:x?***"),
        ("sqlite:///no.db?key=hunter2", "sqlite:///no.db?***"),
    ],
)
def test_secrets_are_shown_nowhere(uri, shown):
    source = Sql(uri=uri, query="SELECT 'hunter2'")
    assert shown in str(source.origin)
    assert "hunter2" not in str(source.origin)
    with pytest.raises(DataError) as refused:
        source.read()
    assert shown in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_a_driver_repeats_is_hidden():
    source = Sql(uri="x://u:a%2Fsecret@h/d?token=t0ken&mode=a", query="SELECT f('literal')")
    error = ValueError("cannot find a/secret or a%2Fsecret, t0ken, near 'literal', mode a\n[SQL: SELECT ...]")
    assert str(source._failed(error)) == "x://u:***@h/d?***: cannot find *** or ***, ***, near '***', mode a"
    wrong = Sql(uri="x://u:p@ss@h/d", query="SELECT 1")
    assert str(wrong._failed(ValueError("no host ss@h"))) == (
        "x://u:***@h/d: the password in data.sql.uri holds '@', which must be written %40"
    )


def test_arguments():
    with pytest.raises(ValueError, match=r"engine='odbc': one of auto, sqlalchemy, adbc, duckdb"):
        Sql(uri="sqlite:///x.db", query="SELECT 1", engine="odbc")
    with pytest.raises(ValueError, match=r"uri: expected scheme:\.\.\., for example sqlite:///shop.db"):
        Sql(uri="shop.db", query="SELECT 1")

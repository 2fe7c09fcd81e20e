"""A training from a database, as a process: the numbers of the same rows in a file, and nothing else to read."""

import json
import sqlite3

import duckdb
import numpy as np
import polars as pl
import pytest

import forked

QUICK = ("model=linear", "data.target=y", "trainer.max_epochs=2", "threads=1", "logger=none")


@pytest.fixture
def shop(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = np.where(x + rng.normal(size=200) > 0, "yes", "no")
    frame = pl.DataFrame({"x": x, "c": rng.choice(["a", "b"], 200), "y": y})
    frame.write_csv(tmp_path / "t.csv")
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.execute("create table t (x real, c text, y text)")
        base.executemany("insert into t values (?, ?, ?)", frame.rows())
    base.close()
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as base:
        base.execute("create table t as select * from frame")
    return tmp_path


def train(folder, name, *words):
    done = forked.run(["train", *QUICK, *words, f"hydra.run.dir={name}"], folder, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "leak" not in done.stderr
    return json.loads((folder / name / "result.json").read_text())["metrics"]


@pytest.mark.slow
def test_a_database_gives_the_numbers_of_a_file(shop):
    expected = train(shop, "file", "data.path=t.csv")
    for name, uri in (("sqlite", "sqlite:///shop.db"), ("duckdb", "duckdb:///shop.duckdb")):
        found = train(shop, name, f"data.sql.uri={uri}", "data.sql.query=select x, c, y from t")
        for split, metrics in expected.items():
            assert found[split] == pytest.approx(metrics, rel=1e-6)

"""Finished runs that are loaded elsewhere than they were made."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.predict import predict

QUICK = ("model=linear", "trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=none", "callbacks=minimal")


@pytest.fixture(scope="module")
def from_sql(tmp_path_factory):
    """A run on a database that only the environment names, and a file of the same rows."""
    folder = tmp_path_factory.mktemp("sql")
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=200), "y": rng.integers(0, 2, 200)})
    frame.write_csv(folder / "rows.csv")
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE t (a DOUBLE, y INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", frame.rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_URI", f"sqlite:///{folder / 'shop.db'}")
        patch.setenv("PW", "hunter2")
        query = r"select a, y from t where \'${oc.env:PW}\' > \'\'"
        words = ["data.sql.uri=${oc.env:SHOP_URI}", f"data.sql.query='{query}'", "data.target=y"]
        fit(compose([*QUICK, *words]), folder / "run")
    (folder / "shop.db").unlink()
    return folder


def test_the_database_is_not_needed_to_predict_a_file(from_sql, monkeypatch):
    monkeypatch.delenv("SHOP_URI", raising=False)
    assert predict(from_sql / "run", from_sql / "rows.csv").height == 200
    assert "accuracy" in evaluate(from_sql / "run", from_sql / "rows.csv")


def test_no_secret_lies_in_the_run_folder(from_sql):
    for path in (from_sql / "run").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path
    [origin] = json.loads((from_sql / "run" / "environment.json").read_text())["origin"]
    assert origin["file"].startswith(f"sqlite:///{from_sql / 'shop.db'}: query ")


def test_a_run_from_elsewhere_runs_no_code(from_sql, tmp_path):
    made = tmp_path / "made"
    run = RunFolder(from_sql / "run")
    text = (run / "config.yaml").read_text()
    attack = f"${{oc.create:{{_target_:shutil.copyfile,_args_:[{from_sql / 'rows.csv'},{made}]}}}}"
    assert "  timezone: null" in text
    try:
        for value, refusal in (
            (f'"{attack}"', "of interpolations, a stored configuration may only have"),
            ("{_target_: shutil.copyfile}", "'shutil.copyfile' is not among the targets"),
        ):
            (run / "config.yaml").write_text(text.replace("  timezone: null", f"  timezone: {value}"))
            run.write_manifest()
            with pytest.raises(ConfigError, match=refusal):
                predict(run.path, from_sql / "rows.csv")
        assert not made.exists()
    finally:
        (run / "config.yaml").write_text(text)
        run.write_manifest()

"""A run tells its loggers what it measured: read back from what each of them wrote."""

from __future__ import annotations

import csv
import json
import sqlite3
import struct
import time

import pytest

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

WORDS = ("model=linear", "data=breast_cancer", "trainer=cpu", "trainer.max_epochs=3", "threads=1", "optim.lr=0.02")


@pytest.fixture
def logged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = fit(compose([*WORDS, *words]), tmp_path / "run")
        lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        return result, [json.loads(line)["val/auroc"] for line in lines]

    return run


def test_csv(logged, tmp_path):
    _, curve = logged("logger=csv")
    with (tmp_path / "run" / "csv" / "metrics.csv").open() as file:
        rows = [row["val/auroc"] for row in csv.DictReader(file)]
    assert [float(value) for value in rows if value] == pytest.approx(curve)


def test_mlflow(logged, tmp_path):
    # MLflow remembers what is in a database by its address, also when a relative one means another file by now.
    result, curve = logged("logger=mlflow", f"logger.mlflow.tracking_uri=sqlite:///{tmp_path / 'mlflow.db'}")
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        values = store.execute("select value from metrics where key = 'val/auroc' order by step").fetchall()
        settings = dict(store.execute("select key, value from params").fetchall())
    store.close()
    assert [value for (value,) in values] == pytest.approx(curve)
    assert float(settings["optim.lr"]) == 0.02
    assert result["status"] == "finished"


def test_wandb_offline(logged, tmp_path):
    _, curve = logged("logger=wandb", "logger.wandb.offline=true")
    import wandb

    wandb.finish()
    (path,) = (tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")
    # A process of its own writes the file, to the end only after it has answered.
    deadline = time.monotonic() + 20
    while len(values := written(path)) < len(curve) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert values == pytest.approx(curve)


def written(path):
    """The values of ``val/auroc`` in a file of W&B."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, values = path.read_bytes(), 7, []
    assert len(data) < 32768, "one block, in which no record is split"
    while at + 7 <= len(data):
        # Checksum (4 bytes), length (2), kind (1), content.
        (length,) = struct.unpack_from("<H", data, at + 4)
        if at + 7 + length > len(data):
            break
        record = Record.FromString(data[at + 7 : at + 7 + length])
        at += 7 + length
        values += [
            json.loads(item.value_json) for item in record.history.item if "val/auroc" in (item.key, *item.nested_key)
        ]
    return values

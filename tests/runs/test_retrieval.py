"""Runs whose network holds its train rows."""

from __future__ import annotations

import numpy as np
import polars as pl
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict

WORDS = (
    "model=modernnca",
    "model.backbone.d_block=8",
    "model.max_context=60",
    "trainer=cpu",
    "threads=1",
    "logger=none",
    "trainer.max_epochs=2",
    "loader.batch_size=64",
    "callbacks=minimal",
)


def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    return pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(
        pl.Series("d", rng.choice(["x", "y", "z"], 200)), pl.Series("y", x[:, 0] + rng.normal(size=200) / 10)
    )


def test_a_run_predicts_without_its_training_data(tmp_path, caplog):
    caplog.set_level("INFO")
    rows = table()
    rows.write_csv(tmp_path / "rows.csv")
    fit(compose([f"data.path={tmp_path / 'rows.csv'}", "data.target=y", *WORDS]), tmp_path / "run")
    (tmp_path / "rows.csv").unlink()
    # Once: the made-up table on which the configuration was checked is not spoken of.
    said = [text for text in caplog.messages if "max_context" in text]
    assert said == ["model.max_context: 60 of 128 train rows are kept, drawn at random"]
    kept = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    ids = kept["row_id"].to_list()
    found = predict(tmp_path / "run", rows.drop("y")[ids])
    np.testing.assert_allclose(found["prediction"].to_numpy(), kept["prediction"].to_numpy(), rtol=1e-4, atol=1e-5)
    inside = load_file(tmp_path / "run" / "network.safetensors")["context.row_id"].tolist()
    assert len(inside) == len(set(inside)) == 60
    assert not set(inside) & set(ids), "the context holds train rows only"

"""Sequences from end to end: the run folder, the verbs over it, and a training that is broken off."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, SchemaError
from colonnade.data.sequences.store import SequenceStore
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.packed import unpackable
from colonnade.runs.predict import predict

SMALL = ("model=gru", "model.backbone.d_hidden=12", "trainer=cpu", "threads=1", "logger=none", "loader.batch_size=16")


def frame(n=150, seed=0):
    """Series of 4 to 15 steps that rise or fall under noise, a few values missing; steps in no order."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 16, n)
    of = np.repeat(np.arange(n), lengths)
    step = np.concatenate([np.arange(length) for length in lengths])
    rises = rng.integers(0, 2, n)
    x = (2 * rises[of] - 1) * step * 0.3 + rng.normal(size=len(of))
    table = pl.DataFrame(
        {
            "run": [f"r{i}" for i in of],
            "t": step,
            "x": x,
            "mode": rng.choice(["idle", "busy"], len(of)).tolist(),
            "rises": np.where(rises[of], "yes", "no").tolist(),
        }
    )
    table = table.with_columns(x=pl.when(pl.int_range(pl.len()) % 17 == 3).then(None).otherwise(pl.col("x")))
    return table.sample(fraction=1.0, shuffle=True, seed=seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    frame().write_csv(folder / "steps.csv")
    return folder


def words(folder, *more):
    place = (f"data.path={folder / 'steps.csv'}", "data.id=run", "data.time=t", "data.target=rises")
    return [*SMALL, "data=sequences", *place, "trainer.max_epochs=6", *more]


@pytest.fixture(scope="module")
def trained(folder):
    return fit(compose(words(folder)), folder / "run")


def test_a_run_on_sequences_is_a_run(folder, trained):
    assert trained["status"] == "finished"
    assert trained["metrics"]["test"]["accuracy"] > 0.85
    stored = pl.read_parquet(folder / "run" / "predictions.parquet")
    assert stored["split"].value_counts().sort("split")["count"].to_list() == [30, 24]


def test_predictions_of_a_file_are_those_of_the_training(folder, trained):
    found = predict(folder / "run", folder / "steps.csv")
    # In the order in which the series begin in the file, each with its name.
    assert found["run"].to_list() == frame()["run"].unique(maintain_order=True).to_list()
    stored = pl.read_parquet(folder / "run" / "predictions.parquet").filter(split="test").sort("row_id")
    again = found[stored["row_id"].to_list()]
    np.testing.assert_allclose(again["probability/yes"], stored["probability/yes"], atol=1e-5)


def test_a_prediction_depends_on_its_series_alone(folder, trained):
    whole = predict(folder / "run", folder / "steps.csv")
    some = frame().filter(pl.col("run").is_in(["r3", "r77"])).drop("rises").sort("t", descending=True)
    both = whole.join(predict(folder / "run", some), on="run")
    assert both.height == 2
    np.testing.assert_allclose(both["probability/yes"], both["probability/yes_right"], atol=1e-5)


def test_new_rows_are_checked_as_those_of_tables_are(folder, trained):
    with pytest.raises(SchemaError, match="column 'mode'.* is missing"):
        predict(folder / "run", frame().drop("mode"))
    with pytest.raises(SchemaError, match="the new data: data.id=run is no column"):
        predict(folder / "run", frame().drop("run"))
    with pytest.raises(DataError, match=r"2 rows share the series and the time"):
        predict(folder / "run", pl.concat([frame().filter(run="r1", t=0)] * 2))


def test_unknown_levels_are_counted_in_steps(folder, trained, caplog):
    new = frame().with_columns(mode=pl.when(pl.col("t") == 0).then(pl.lit("off")).otherwise(pl.col("mode")))
    predict(folder / "run", new)
    assert f"column 'mode': 150 of {frame().height} rows hold a category unseen in training" in caplog.text


def test_evaluate_measures_what_the_training_measured(folder, trained):
    everything = evaluate(folder / "run", folder / "steps.csv")
    stored = pl.read_parquet(folder / "run" / "predictions.parquet").filter(split="test")
    ids = frame()["run"].unique(maintain_order=True)[stored["row_id"].to_list()]
    tested = frame().filter(pl.col("run").is_in(ids.implode()))
    assert evaluate(folder / "run", tested) == pytest.approx(trained["metrics"]["test"], abs=1e-5)
    assert everything["accuracy"] > 0.85


def test_the_budget_of_steps_changes_no_prediction(folder, trained):
    fit(compose(words(folder, "module.max_tokens=40")), folder / "budget")
    for name, tensor in load_file(folder / "budget" / "network.safetensors").items():
        other = load_file(folder / "run" / "network.safetensors")[name]
        # Dropout draws by piece, so that the weights differ, but not by much.
        assert tensor.shape == other.shape
    assert evaluate(folder / "budget", folder / "steps.csv")["accuracy"] > 0.85


class Broken(Exception):
    pass


def test_a_training_that_is_broken_off_is_resumed_bit_for_bit(folder, trained, monkeypatch):
    often = ["callbacks.recovery.every_seconds=0.001", "loader.chunk=2", "trainer.max_epochs=4"]
    fit(compose(words(folder, *often)), folder / "whole")
    calls = 0
    gather = SequenceStore.gather

    def breaking(store, index):
        nonlocal calls
        calls += 1
        if calls == 12:
            raise Broken
        return gather(store, index)

    monkeypatch.setattr(SequenceStore, "gather", breaking)
    with pytest.raises(Broken):
        fit(compose(words(folder, *often)), folder / "broken")
    monkeypatch.setattr(SequenceStore, "gather", gather)
    fit(compose(words(folder, *often)), folder / "broken")
    whole = load_file(folder / "whole" / "network.safetensors")
    assert all(whole[k].equal(v) for k, v in load_file(folder / "broken" / "network.safetensors").items())


def test_folds_hold_whole_series_and_predict_together(folder):
    result = fit(compose(words(folder, "cv=kfold", "cv.folds=3", "trainer.max_epochs=2")), folder / "folds")
    assert result["status"] == "finished"
    assert result["cv"]["held_out"] == 0 or result["metrics"]["test"]
    assert predict(folder / "folds", folder / "steps.csv").height == 150


def test_probabilities_are_calibrated_and_come_with_sets(folder):
    more = ("calibration=temperature", "uncertainty=auto", "uncertainty.level=0.8", "trainer.max_epochs=3")
    result = fit(compose(words(folder, *more)), folder / "sets")
    assert 0 <= result["metrics"]["test"]["conformal_coverage"] <= 1
    stored = pl.read_parquet(folder / "sets" / "predictions.parquet").filter(split="test").sort("row_id")
    again = predict(folder / "sets", folder / "steps.csv")[stored["row_id"].to_list()]
    np.testing.assert_allclose(again["probability/yes"], stored["probability/yes"], atol=1e-5)


def test_regression_over_series(folder, tmp_path):
    table = frame().with_columns(mean=pl.col("x").mean().over("run")).drop("rises")
    table.write_parquet(tmp_path / "steps.parquet")
    place = (f"data.path={tmp_path / 'steps.parquet'}", "data.id=run", "data.time=t", "data.target=mean")
    result = fit(
        compose([*SMALL, "data=sequences", *place, "trainer.max_epochs=15", "model.backbone.pooling=mean"]),
        tmp_path / "run",
    )
    assert result["task"] == "regression"
    assert result["metrics"]["test"]["r2"] > 0.8


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["explain=auto", "explain.method=masks"], "explain.method=masks does not explain Recurrent; use integrated"),
        (
            ["model=mlp"],
            "`data` gives sequences, but model.backbone takes the rows of a table: choose a model for sequences",
        ),
        (["model=linear_sklearn"], "`data` gives sequences"),
        (["data=breast_cancer"], "`data` gives the rows of a table, but model.backbone takes sequences"),
        (["data.target=null"], "data.target: which column is to be predicted"),
        (
            ["uncertainty=auto", "uncertainty.group=mode"],
            "uncertainty.group: the steps of a series are of no one group",
        ),
        (
            ["uncertainty=auto", "uncertainty.conformal=aps", "uncertainty.randomized=true"],
            "uncertainty.randomized: steps of a series are no columns to draw from",
        ),
        (["module.max_tokens=0"], "max_tokens must be 1 or more, or null, not 0"),
    ],
)
def test_what_does_not_go_together_is_told_before_data_is_read(folder, tmp_path, more, said):
    kept = [word for word in words(folder) if not word.startswith("data") or "data=breast_cancer" not in more]
    kept = [word for word in kept if not word.startswith("model.") or not more[0].startswith("model=")]
    with pytest.raises(ConfigError, match=said):
        fit(compose([*kept, *more]), tmp_path / "run")


def test_verbs_that_cannot_do_sequences_yet_say_so(folder, trained):
    assert list(unpackable(compose(words(folder)))) == [
        "model: a pack trains networks of tables; those of series are not packed yet"
    ]

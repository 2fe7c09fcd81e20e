import json

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, RunFolderError, SchemaError, TrainingError
from colonnade.data.simulate import ChurnSim
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.load import load_run
from colonnade.runs.predict import predict

pytestmark = pytest.mark.rendered

QUICK = (
    "model=mlp",
    "model.backbone.d_hidden=[16]",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "threads=1",
    "logger=none",
)


def trained(folder, *words):
    cfg = compose([*QUICK, *words])
    return fit(cfg, folder)


@pytest.fixture(scope="module")
def churn(tmp_path_factory):
    """A run on strings, dates, missing values and high cardinality, and the file it was trained on."""
    folder = tmp_path_factory.mktemp("churn")
    ChurnSim(n_rows=1500).read().write_parquet(folder / "churn.parquet")
    cfg = [f"data.path={folder / 'churn.parquet'}", "data.target=churned", "data.name=churn"]
    result = trained(folder / "run", *cfg, "callbacks.early_stopping.patience=2")
    return folder, result


def test_a_run_folder_holds_all_that_the_readme_names(churn):
    folder, result = churn
    names = {p.name for p in (folder / "run").iterdir()}
    assert names >= {
        "result.json",
        "config.yaml",
        "environment.json",
        "schema.json",
        "split.json",
        "target.json",
        "spec.json",
        "pipeline.json",
        "pipeline.safetensors",
        "network.safetensors",
        "checkpoints",
        "metrics.jsonl",
        "predictions.parquet",
        "figures",
        "manifest.json",
    }
    assert result["status"] == "finished"
    assert result["task"] == "binary"
    assert json.loads((folder / "run" / "result.json").read_text())["metrics"] == result["metrics"]
    assert result["metrics"]["test"]["auroc"] > 0.6
    assert {p.name for p in (folder / "run" / "figures").iterdir()} == {
        "confusion.png",
        "curves.png",
        "reliability.png",
        "learning.png",
    }


def test_the_predictor_from_raw_rows_gives_what_was_measured(churn):
    folder, _ = churn
    measured = pl.read_parquet(folder / "run" / "predictions.parquet")
    whole = predict(folder / "run", folder / "churn.parquet")
    both = measured.join(whole, on="row_id", suffix="_raw")
    assert both.height == measured.height
    classes = [name for name in measured.columns if name.startswith("probability/")]
    assert len(classes) == 2
    for name in classes:
        np.testing.assert_allclose(both[name], both[f"{name}_raw"], atol=1e-5)
    assert (both["prediction"] == both["prediction_raw"]).all()


def test_evaluate_on_the_test_rows_gives_the_test_metrics(churn):
    folder, result = churn
    rows = pl.read_parquet(folder / "run" / "predictions.parquet").filter(pl.col("split") == "test")["row_id"]
    pl.read_parquet(folder / "churn.parquet")[rows].write_parquet(folder / "test.parquet")
    metrics = evaluate(folder / "run", folder / "test.parquet", folder / "metrics.json")
    assert metrics == pytest.approx(result["metrics"]["test"], abs=1e-5)
    assert json.loads((folder / "metrics.json").read_text())["rows"] == rows.len()


def test_columns_are_taken_by_name_extra_ones_ignored_missing_ones_told(churn):
    folder, _ = churn
    frame = pl.read_parquet(folder / "churn.parquet").head(50)
    shuffled = frame.select(reversed(frame.columns)).with_columns(pl.lit(1).alias("extra"))
    shuffled.write_parquet(folder / "shuffled.parquet")
    frame.write_parquet(folder / "plain.parquet")
    a, b = (predict(folder / "run", folder / f"{name}.parquet") for name in ("shuffled", "plain"))
    assert a.equals(b)
    feature = load_run(folder / "run").schema.features[0]
    frame.drop(feature).write_parquet(folder / "short.parquet")
    with pytest.raises(SchemaError, match=feature):
        predict(folder / "run", folder / "short.parquet")


def test_an_unseen_category_uses_the_unknown_slot_and_is_counted(churn, caplog):
    folder, _ = churn
    loaded = load_run(folder / "run")
    name = next(c for c in loaded.pipeline.cat_names if loaded.schema.columns[c].kind == "categorical")
    frame = pl.read_parquet(folder / "churn.parquet").head(20).with_columns(pl.lit("never seen").alias(name))
    frame.write_parquet(folder / "unseen.parquet")
    assert predict(folder / "run", folder / "unseen.parquet").height == 20
    assert f"column '{name}': 20 of 20 rows hold a category unseen in training" in caplog.text


def test_predictions_are_those_of_any_block_size(churn):
    folder, _ = churn
    loaded = load_run(folder / "run")
    table = loaded.dataset.read_new(folder / "churn.parquet", loaded.schema, need_target=False)
    small, large = loaded.predict(table, rows=7), loaded.predict(table, rows=10_000)
    torch.testing.assert_close(small["probability"], large["probability"], atol=1e-6, rtol=0)


def test_a_damaged_run_is_not_loaded(churn, tmp_path):
    folder, _ = churn
    import shutil

    shutil.copytree(folder / "run", tmp_path / "run")
    weights = tmp_path / "run" / "network.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"network.safetensors' differs from its SHA-256"):
        load_run(tmp_path / "run")


def test_an_unfinished_run_is_not_loaded(tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished run"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("words", "task", "metric"),
    [
        (("data=diabetes",), "regression", "rmse"),
        (("data=diabetes", "task=quantile"), "quantile", "pinball_loss"),
        (("data=wine",), "multiclass", "log_loss"),
    ],
)
def test_tasks_end_to_end(tmp_path, words, task, metric):
    result = trained(tmp_path / "run", *words)
    assert result["task"] == task
    assert np.isfinite(result["metrics"]["test"][metric])


@pytest.mark.parametrize("kind", ["multilabel", "multitarget_regression"])
def test_tasks_with_several_targets(tmp_path, kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x[:, :2] + 0.1 * rng.normal(size=(300, 2))
    y = (y > 0).astype(int) if kind == "multilabel" else y
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y1": y[:, 0], "y2": y[:, 1]}).write_csv(tmp_path / "t.csv")
    result = trained(
        tmp_path / "run", f"data.path={tmp_path / 't.csv'}", "data.target=[y1,y2]", f"task={kind}", "optim.lr=0.01"
    )
    assert result["task"] == kind
    frame = predict(tmp_path / "run", tmp_path / "t.csv")
    names = {"multilabel": {"y1", "y2", "probability/y1"}, "multitarget_regression": {"prediction/y1", "prediction/y2"}}
    assert names[kind] <= set(frame.columns)


def test_the_recorded_configuration_names_the_task_that_auto_found_and_keeps_the_users_monitor(tmp_path):
    pl.DataFrame({"a": [0.5, 1.5, 2.5, 0.5] * 50, "y": ["no", "yes"] * 100}).write_csv(tmp_path / "t.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y", "task.monitor=val/auroc", "task.mode=max")
    result = trained(tmp_path / "run", *words)
    assert (result["task"], result["monitor"]) == ("binary", "val/auroc")
    assert load_run(tmp_path / "run").cfg.task.name == "binary"


def test_a_failed_run_says_so_and_may_be_tried_again(tmp_path):
    pl.DataFrame({"a": [1.0, 2.0] * 30, "y": ["only"] * 60}).write_csv(tmp_path / "t.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y", "task=binary")
    with pytest.raises(DataError):
        trained(tmp_path / "run", *words)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed"
    assert "DataError" in result["error"]
    with pytest.raises(DataError):
        trained(tmp_path / "run", *words)


def test_a_table_without_features_is_told_with_the_reasons(tmp_path):
    pl.DataFrame({"key": list(range(60)), "y": ["no", "yes"] * 30}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"no column is left as a feature: .*key"):
        trained(tmp_path / "run", f"data.path={tmp_path / 't.csv'}", "data.target=y")


def test_a_loss_that_is_not_finite_stops_the_run_and_names_rows(tmp_path):
    with pytest.raises(TrainingError, match="row"):
        trained(tmp_path / "run", "data=diabetes", "optim.lr=1e30", "trainer.max_epochs=20")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "failed"


def test_faults_of_the_configuration_come_before_the_data(tmp_path):
    cfg = compose([*QUICK, "data.path=does-not-exist.csv", "data.target=y", "optim.lr=-1", "loader.batch_size=0"])
    with pytest.raises(ConfigError) as caught:
        fit(cfg, tmp_path / "run")
    assert "lr" in str(caught.value)
    assert "batch_size" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_order_of_threads_and_seeds_is_kept(tmp_path):
    a, b = (trained(tmp_path / name, "data=wine")["metrics"] for name in "ab")
    assert a == b


def test_codes_of_new_rows_are_read_as_written_and_a_key_called_row_id_is_kept(tmp_path, caplog):
    codes = ["x", "007", "1.50"] * 40
    frame = pl.DataFrame({"row_id": [f"r{i}" for i in range(120)], "code": codes, "y": ["no", "no", "yes"] * 40})
    frame.write_csv(tmp_path / "t.csv")
    # All of these look like numbers: none of them is one.
    frame.filter(pl.col("code") == "1.50").drop("y").write_csv(tmp_path / "new.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y", "data.row_id=row_id", "data.waive=[code]")
    trained(tmp_path / "run", *words)
    new = predict(tmp_path / "run", tmp_path / "new.csv")
    assert "unseen in training" not in caplog.text
    assert new["row_id"].to_list() == list(range(40))
    assert new["key/row_id"].to_list() == [f"r{i}" for i in range(2, 120, 3)]
    whole = predict(tmp_path / "run", tmp_path / "t.csv").gather_every(3, offset=2)
    np.testing.assert_allclose(new["probability/yes"], whole["probability/yes"], atol=1e-6)


def test_a_resumed_run_counts_all_its_seconds_and_refuses_other_data(tmp_path):
    from colonnade.runs.folder import RunFolder

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -1.0] + rng.normal(size=200)})
    frame.write_csv(tmp_path / "t.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y")
    first = trained(tmp_path / "run", *words)
    folder = RunFolder(tmp_path / "run")
    # As if it had been killed between the last epoch and the measuring.
    (folder / "result.json").unlink()
    again = trained(tmp_path / "run", *words)
    assert again["metrics"] == first["metrics"]
    assert again["epochs"] == first["epochs"]
    saved = torch.load(next(folder.checkpoints.glob("recovery-*.ckpt")), weights_only=True)
    assert again["seconds"] > saved["colonnade"]["seconds"] > 0

    (folder / "result.json").unlink()
    frame.reverse().write_csv(tmp_path / "t.csv")
    with pytest.raises(RunFolderError, match=r"cannot be resumed: .*t.csv changed since it began"):
        trained(tmp_path / "run", *words)


def test_the_progress_bar_is_switched_off_by_lightnings_own_flag(tmp_path, capsys):
    assert trained(tmp_path / "run", "data=wine", "trainer.enable_progress_bar=false")["status"] == "finished"
    assert "epoch" not in capsys.readouterr().err


def test_what_lightning_refuses_is_told_as_text(tmp_path):
    with pytest.raises(ConfigError, match="trainer: .*enable_checkpointing=False"):
        trained(tmp_path / "run", "data=wine", "trainer.enable_checkpointing=false")


def test_torchruns_processes_keep_to_the_rules_of_the_folder(tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    result = trained(run_dir, "data=wine")
    for name, value in {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert trained(run_dir, "data=wine") == result
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        trained(run_dir, "data=wine", "seed=1")
    with pytest.raises(ConfigError, match=r"overwrite=true: not under torchrun"):
        trained(run_dir, "data=wine", "overwrite=true")
    assert json.loads((run_dir / "result.json").read_text()) == result


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_what_is_measured_is_what_predicts_whatever_the_precision(tmp_path, precision):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -1.0] + rng.normal(size=200)})
    frame.write_csv(tmp_path / "t.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y", f"trainer.precision={precision}")
    assert trained(tmp_path / "run", *words)["status"] == "finished"
    kept = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    again = predict(tmp_path / "run", tmp_path / "t.csv")[kept["row_id"].to_list()]
    np.testing.assert_allclose(kept["prediction"], again["prediction"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_from_python(tmp_path, kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    made = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -1.0] + rng.normal(size=200)})
    frame = made if kind == "polars" else made.to_pandas()
    result = fit(compose([*QUICK, "data.target=y"]), tmp_path / "run", frame)
    made.write_csv(tmp_path / "t.csv")
    from_file = trained(tmp_path / "file", f"data.path={tmp_path / 't.csv'}", "data.target=y")
    assert result["task"] == "regression"
    assert result["metrics"] == from_file["metrics"]
    few, all_of_them = (predict(tmp_path / "run", rows)["prediction"] for rows in (frame.head(7), tmp_path / "t.csv"))
    np.testing.assert_allclose(few, all_of_them[:7], rtol=1e-5)
    assert evaluate(tmp_path / "run", frame)["rmse"] == pytest.approx(evaluate(tmp_path / "file", frame)["rmse"])
    with pytest.raises(ConfigError, match="a frame is given, and data.files too: data=table, without data.files="):
        fit(compose([*QUICK, "data=adult"]), tmp_path / "both", frame)
    with pytest.raises(ConfigError, match="trainer.devices asks for 2 processes, which read files"):
        fit(compose([*QUICK, "data.target=y", "trainer.devices=2"]), tmp_path / "two", frame)


def test_weights_reach_the_loss_and_the_metrics(tmp_path):
    """Rows of weight zero are as good as absent; the accuracy on the test rows is that of the weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = np.where(x + rng.normal(size=400) > 0, "yes", "no")
    weight = rng.integers(0, 4, 400).astype(float)
    pl.DataFrame({"x": x, "y": y, "w": weight}).write_csv(tmp_path / "t.csv")
    words = (f"data.path={tmp_path / 't.csv'}", "data.target=y")
    weighted = trained(tmp_path / "weighted", *words, "data.weight=w")
    kept = pl.read_parquet(tmp_path / "weighted" / "predictions.parquet").filter(pl.col("split") == "test")
    right = (kept["prediction"] == kept["target"]).to_numpy()
    w = weight[kept["row_id"].to_numpy()]
    assert weighted["metrics"]["test"]["accuracy"] == pytest.approx((right * w).sum() / w.sum(), rel=1e-5)
    plain = trained(tmp_path / "plain", *words, "data.exclude.w=none")
    assert plain["metrics"]["val"]["log_loss"] != weighted["metrics"]["val"]["log_loss"]

"""A refit: train and val rows together, the epochs and the rates of the run, its test rows, and a folder like any."""

import json
import logging
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.data.split import Split
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict
from colonnade.training.callbacks.throughput import Throughput
from colonnade.training.schedules import cosine
from colonnade.tuning.refit import epochs_seen, refit

pytestmark = pytest.mark.usefixtures("without_figures")

HORIZON = 12
QUICK = (
    "model=mlp",
    "model.backbone.d_hidden=[16]",
    "pipeline=standard",
    "trainer=cpu",
    f"trainer.max_epochs={HORIZON}",
    "loader.batch_size=64",
    "threads=1",
    "logger=none",
    "optim.lr=0.03",
    "optim.schedule=cosine",
    "callbacks.early_stopping.patience=2",
    "callbacks.recovery.max_share=1.0",
)


def table(folder):
    """Little to learn, so that a training is soon past its best."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = x[:, 0] + 1.5 * rng.normal(size=300)
    columns = {f"x{i}": x[:, i] for i in range(4)}
    pl.DataFrame({**columns, "y": y, "c": np.where(y > 0.5, "yes", "no")}).write_csv(folder / "t.csv")
    return f"data.path={folder / 't.csv'}"


def train(folder, *words):
    target = () if any(word.startswith("data.target") for word in words) else ("data.target=y", "data.exclude=[c]")
    return fit(compose([*QUICK, table(folder.parent), *target, *words]), folder)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a moving average, past its best."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    result = train(folder, "module.ema=0.5", "seed=1", "overwrite=true")
    assert 2 < epochs_seen(folder, result, "min") < result["epochs"]
    return folder


@pytest.fixture(scope="module")
def again(run):
    out = run.parent / "refit"
    refit(run, out)
    return out


def test_it_is_trained_on_train_and_val_and_measured_on_the_same_test_rows(run, again):
    before, now = (Split.load(folder / "split.json") for folder in (run, again))
    assert now.train.tolist() == sorted([*before.train, *before.val])
    assert now.test.tolist() == before.test.tolist()
    assert len(now.val) == 0
    spec = json.loads((again / "spec.json").read_text())
    y = pl.read_csv(run.parent / "t.csv")["y"].to_numpy()
    assert spec["n_train"] == 240
    assert spec["target_mean"] == pytest.approx([y[now.train].mean()])
    predictions = pl.read_parquet(again / "predictions.parquet")
    assert sorted(predictions["row_id"]) == before.test.tolist()
    assert predictions["split"].unique().to_list() == ["test"]


def test_it_takes_the_epochs_until_the_best_at_the_rates_they_had(run, again):
    rows = lines(run)
    best = min(rows, key=lambda row: row["val/rmse"])["epoch"]
    told = lines(again)
    assert [row["epoch"] for row in told] == list(range(best + 1))
    # Four steps an epoch, three before.
    assert [row["step"] for row in told] == [4 * (i + 1) for i in range(best + 1)]
    ends = [(4 * (i + 1) - 1) / (4 * HORIZON) for i in range(best + 1)]
    assert [row["lr"] for row in told] == pytest.approx([0.03 * cosine(t) for t in ends])


def test_with_a_step_an_epoch_the_rates_are_the_same(tmp_path):
    result = train(tmp_path / "run", "loader.batch_size=512", "optim.lr=0.3")
    again = refit(tmp_path / "run", tmp_path / "refit")
    rates = [[row["lr"] for row in lines(tmp_path / name)] for name in ("run", "refit")]
    assert again["epochs"] < result["epochs"]
    assert rates[1] == rates[0][: again["epochs"]]


def test_it_says_what_it_was_made_of(run, again):
    result = json.loads((again / "result.json").read_text())
    rows = {"train": 192, "val": 48, "test": 60}
    assert result["refit"] == {"run": "../run", "epochs": result["epochs"], "rows": rows}
    assert result["metrics"]["val"] == {}
    assert result["metrics"]["test"]["rmse"] > 0
    assert result["checkpoint"] is None
    config = (again / "config.yaml").read_text()
    assert "_refit:\n  run: ../run\n" in config
    assert "overwrite: false" in config
    assert "EarlyStopping" not in config
    assert "dirpath: ./checkpoints" in config


def test_the_last_average_is_kept(again):
    kept = load_file(again / "network.safetensors")
    last = torch.load(sorted((again / "checkpoints").glob("recovery-*.ckpt"))[-1], weights_only=True)["state_dict"]
    assert kept.keys() == {key.removeprefix("average.module.") for key in last if key.startswith("average.module.")}
    assert all(torch.equal(kept[key], last[f"average.module.{key}"]) for key in kept)
    assert not all(torch.equal(kept[key], last[f"network.{key}"]) for key in kept)


def test_it_is_bit_for_bit_a_training_with_these_settings(run, again, tmp_path):
    words = (f"trainer.max_epochs={len(lines(again))}", f"optim.schedule_epochs={HORIZON}", "~callbacks.best")
    cfg = compose([*QUICK, table(tmp_path), "data.target=y", "data.exclude=[c]", "module.ema=0.5", "seed=1", *words])
    cfg.split = {"_target_": "colonnade.data.split.Joined", "base": cfg.split}
    cfg.callbacks.early_stopping = None
    cfg.trainer = {**cfg.trainer, "limit_val_batches": 0}
    fit(cfg, tmp_path / "run")
    one, other = (load_file(folder / "network.safetensors") for folder in (again, tmp_path / "run"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_its_folder_predicts_and_evaluates(run, again):
    path = run.parent / "t.csv"
    kept = pl.read_parquet(again / "predictions.parquet")
    new = predict(again, path)
    np.testing.assert_allclose(kept["prediction"], new[kept["row_id"].to_list()]["prediction"], rtol=1e-5)
    rows = pl.read_csv(path)[kept["row_id"].to_list()]
    measured = json.loads((again / "result.json").read_text())["metrics"]["test"]
    assert evaluate(again, rows) == pytest.approx(measured, rel=1e-5)


def test_it_goes_on_where_it_was_cut(run, again, tmp_path, monkeypatch, caplog):
    start = Throughput.on_train_epoch_start

    def cut(self, trainer, module):
        if trainer.current_epoch == 1:
            raise KeyError
        start(self, trainer, module)

    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(Throughput, "on_train_epoch_start", cut)
        refit(run, tmp_path / "refit")
    with caplog.at_level(logging.INFO):
        result = refit(run, tmp_path / "refit")
    assert "resuming from 'recovery-epoch0000" in caplog.text
    whole = json.loads((again / "result.json").read_text())
    assert (result["metrics"], result["epochs"]) == (whole["metrics"], whole["epochs"])
    caplog.clear()
    assert refit(run, tmp_path / "refit")["refit"]["epochs"] == whole["epochs"]
    assert "is finished: nothing to do" in caplog.text


def test_another_seed_keeps_the_split(run, again, tmp_path):
    refit(run, tmp_path / "refit", ["seed=7", "optim.weight_decay=0.1"])
    one, other = (Split.load(folder / "split.json") for folder in (again, tmp_path / "refit"))
    assert one.test.tolist() == other.test.tolist()
    weights = [load_file(folder / "network.safetensors") for folder in (again, tmp_path / "refit")]
    assert not any(torch.equal(weights[0][key], weights[1][key]) for key in weights[0] if key.endswith("weight"))
    told = json.loads((tmp_path / "refit" / "result.json").read_text())["overrides"]
    assert {"seed=7", "optim.weight_decay=0.1"} <= set(told)
    assert "seed=1" not in told


def test_an_occupied_folder_is_refused_and_overwritten_on_demand(run, tmp_path):
    out = tmp_path / "refit"
    first = refit(run, out, ["callbacks=null"])
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        refit(run, out, ["seed=7"])
    assert refit(run, out, ["seed=7", "overwrite=true"])["metrics"] != first["metrics"]
    for folder in (run, run.parent):
        with pytest.raises(ConfigError, match="out: .* holds the run that is trained again"):
            refit(run, folder, ["overwrite=true"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["split.val=0.3"], "split: a refit has the test rows of its run"),
        (["optim.schedule=plateau"], "optim.schedule=plateau follows the validation metric"),
        (["trainer.max_epochs=1"], "trainer.max_epochs=1: the refit takes"),
        (["optim.lrr=1"], "optim.lrr: optim has no 'lrr'"),
        (["optim.lr=-1"], "optim: lr must be above 0, not -1"),
    ],
)
def test_words_that_do_not_go_with_a_refit(run, tmp_path, words, text):
    with pytest.raises(ConfigError) as error:
        refit(run, tmp_path / "refit", words)
    assert text in str(error.value)
    assert not (tmp_path / "refit").exists()


def test_what_is_no_finished_run_and_what_is_a_refit(run, again, tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished run"):
        refit(tmp_path / "nothing", tmp_path / "refit")
    with pytest.raises(ConfigError, match="is a refit: all that may be trained on is; refit the run that it was"):
        refit(again, tmp_path / "refit")


def test_other_data_are_refused(run, tmp_path):
    frame = pl.read_csv(run.parent / "t.csv")
    frame.with_columns(pl.col("x0") + 1.0).write_csv(tmp_path / "t.csv")
    with pytest.raises(
        DataError, match=r"data.path=.*t.csv is not what '.*run' was trained on \(its SHA-256 differs\)"
    ):
        refit(run, tmp_path / "refit", [f"data.path={tmp_path / 't.csv'}"])
    shutil.copy(run.parent / "t.csv", tmp_path / "moved.csv")
    assert refit(run, tmp_path / "refit", [f"data.path={tmp_path / 'moved.csv'}"])["status"] == "finished"


def test_a_run_from_a_frame(tmp_path):
    table(tmp_path)
    frame = pl.read_csv(tmp_path / "t.csv")
    fit(compose([*QUICK, "data.target=y", "data.exclude=[c]"]), tmp_path / "run", frame)
    with pytest.raises(DataError, match="was trained on a frame from Python: data.path= names a file with the same"):
        refit(tmp_path / "run", tmp_path / "refit")
    with pytest.raises(DataError, match="the frame is not what"):
        refit(tmp_path / "run", tmp_path / "refit", frame=frame.reverse())
    result = refit(tmp_path / "run", tmp_path / "refit", frame=frame)
    assert refit(tmp_path / "run", tmp_path / "file", [table(tmp_path)])["metrics"] == result["metrics"]


@pytest.mark.parametrize(
    "words",
    [
        ("data.exclude=[y]", "data.target=c", "split.group_duplicates=true", "logger=tensorboard"),
        ("data.exclude=[c]", "data.target=y", "task=quantile", "loader.memory_limit=1KiB", "loader.cache_dir=."),
        ("data.exclude=[c]", "data.target=y", "model=tabm", "split=kfold", "split.fold=2", "callbacks=minimal"),
    ],
)
def test_other_tasks_stores_splits_and_loggers(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    known = [w for w in QUICK if not ("tabm" in str(words) and w.startswith(("model", "callbacks.early")))]
    fit(compose([*known, table(tmp_path), *words, "trainer.max_epochs=3"]), tmp_path / "run")
    result = refit(tmp_path / "run", tmp_path / "refit")
    assert result["status"] == "finished"
    assert result["metrics"]["val"] == {}
    before, now = (Split.load(tmp_path / name / "split.json") for name in ("run", "refit"))
    assert now.test.tolist() == before.test.tolist()
    if "data.target=c" in words:
        counts = pl.read_csv(tmp_path / "t.csv")["c"][now.train.tolist()].value_counts().sort("c")["count"].to_list()
        assert json.loads((tmp_path / "refit" / "spec.json").read_text())["class_counts"] == counts
        assert list((tmp_path / "refit" / "tensorboard").iterdir())


def test_a_rate_that_was_found_is_kept(tmp_path):
    finder = ("callbacks=lr_find", "callbacks.lr_finder.apply=true", "callbacks.lr_finder.steps=40", "optim.lr=0.01")
    train(tmp_path / "run", *finder)
    found = json.loads((tmp_path / "run" / "lr_find.json").read_text())["suggestion"]
    refit(tmp_path / "run", tmp_path / "refit")
    assert not (tmp_path / "refit" / "lr_find.json").exists()
    assert lines(tmp_path / "refit")[0]["lr"] == pytest.approx(found * cosine(3 / (4 * HORIZON)))


def test_epochs_that_the_weights_had_seen(tmp_path):
    result = {"epochs": 9, "monitor": "val/rmse", "checkpoint": "checkpoints/best-epoch0004.ckpt"}
    assert epochs_seen(tmp_path, {**result, "checkpoint": None}, "min") == 9
    # Without a log of metrics the checkpoint tells; one of a metric that was never defined is the last.
    assert epochs_seen(tmp_path, result, "min") == 5
    assert epochs_seen(tmp_path, {**result, "checkpoint": "checkpoints/best-epoch0009.ckpt"}, "min") == 9
    rows = [{"epoch": i, "val/rmse": value} for i, value in enumerate((3.0, 1.0, 2.0, 1.0))]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert epochs_seen(tmp_path, result, "min") == 2
    assert epochs_seen(tmp_path, result, "max") == 1

"""Baselines as whole runs: the same folder, verbs and refusals as networks."""

import json
import logging
import shutil

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.data.simulate import ChurnSim
from colonnade.runs.baseline import without_effect
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.latency import latency
from colonnade.runs.load import load_run
from colonnade.runs.predict import predict
from colonnade.tuning.refit import refit

pytestmark = pytest.mark.drawn

QUICK = ("threads=1", "logger=none")
SMALL = {
    "dummy": (),
    "linear_sklearn": (),
    "random_forest": ("model.n_estimators=20",),
    "xgboost": ("model.n_estimators=30",),
    "lightgbm": ("model.n_estimators=30",),
    "catboost": ("model.n_estimators=30",),
}


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def churn(tmp_path_factory):
    """Strings, dates, missing values and high cardinality."""
    path = tmp_path_factory.mktemp("churn") / "churn.parquet"
    ChurnSim(n_rows=1200).read().write_parquet(path)
    return path


@pytest.fixture(scope="module", params=SMALL)
def run(request, churn, tmp_path_factory):
    """A run of each baseline: its folder and result."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    words = [f"model={request.param}", f"data.path={churn}", "data.target=churned", *QUICK, *SMALL[request.param]]
    return folder, fit(compose(words), folder), request.param


def test_the_folder_is_that_of_any_run(run):
    folder, result, name = run
    assert result["status"] == "finished"
    assert (result["epochs"], result["parameters"]) >= (1, 1)
    assert result["checkpoint"] is None
    assert set(json.loads((folder / "manifest.json").read_text())) >= {
        "network.safetensors",
        "metrics.jsonl",
        "predictions.parquet",
    }
    assert {path.name for path in (folder / "figures").iterdir()} >= {"confusion.png", "curves.png", "learning.png"}
    best = min(lines(folder), key=lambda line: line["val/log_loss"])
    assert best["val/log_loss"] == pytest.approx(result["metrics"]["val"]["log_loss"], abs=1e-5)
    if name in ("xgboost", "lightgbm", "catboost"):
        assert result["epochs"] == best["epoch"] + 1
        assert len(lines(folder)) == 30


def test_raw_rows_give_what_was_measured(run, churn):
    folder, result, _ = run
    measured = pl.read_parquet(folder / "predictions.parquet")
    both = measured.join(predict(folder, churn), on="row_id", suffix="_raw")
    for column in (name for name in measured.columns if name.startswith("probability/")):
        np.testing.assert_allclose(both[column], both[f"{column}_raw"], atol=1e-5)
    rows = measured.filter(pl.col("split") == "test")["row_id"]
    frame = pl.read_parquet(churn)
    assert evaluate(folder, frame[rows]) == pytest.approx(result["metrics"]["test"], abs=1e-5)
    unseen = frame.head(20).with_columns(pl.lit("never seen").alias(load_run(folder).pipeline.cat_names[0]))
    assert predict(folder, unseen)["probability/1" if "probability/1" in measured.columns else column].is_finite().all()
    assert latency(folder, repeats=3, warmup=1) > 0


def test_a_damaged_model_is_not_loaded(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    path = tmp_path / "run" / "network.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="differs from its SHA-256"):
        load_run(tmp_path / "run")


def test_the_rows_are_those_of_a_network(churn, tmp_path):
    words = [f"data.path={churn}", "data.target=churned", *QUICK]
    fit(compose([*words, "model=dummy"]), tmp_path / "dummy")
    fit(compose([*words, "model=linear", "trainer=cpu", "trainer.max_epochs=1"]), tmp_path / "network")
    frames = [pl.read_parquet(tmp_path / name / "predictions.parquet") for name in ("dummy", "network")]
    assert frames[0].select("row_id", "split", "target").equals(frames[1].select("row_id", "split", "target"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("trainer.devices=2",), "trainer.devices=2: a baseline is fitted by one process"),
        (("trainer=ddp",), "trainer.strategy=ddp: a baseline is fitted by one process"),
        (("task=binary", "task.label_smoothing=0.1"), "task.label_smoothing=0.1: this model learns labels as they are"),
        (("++module.ema=0.9",), "module.ema: BaselineModule takes no 'ema'"),
        (("model.subsample=2",), r"model: subsample must lie in \(0, 1\], got 2"),
        (("model.max_dept=3",), "model has no 'max_dept'; did you mean 'max_depth'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_data_is_read(words, text, tmp_path):
    with pytest.raises(ConfigError, match=text):
        fit(compose(["model=xgboost", "data=breast_cancer", *QUICK, *words]), tmp_path / "run")


def test_a_forest_of_quantiles_is_refused_before_data_is_read(tmp_path):
    with pytest.raises(ConfigError, match="task=quantile: RandomForest does not learn the loss 'quantile'"):
        fit(compose(["model=random_forest", "data=diabetes", "task=quantile", *QUICK]), tmp_path / "run")


def test_a_network_is_not_fitted_at_once(tmp_path):
    words = ["model=mlp", "module._target_=colonnade.baselines.module.BaselineModule", "~module.ema", "data=wine"]
    with pytest.raises(ConfigError, match="fits a baseline, such as model=xgboost, but `model` is a Network"):
        fit(compose(words), tmp_path / "run")


def test_words_of_networks_are_said_to_have_no_effect(tmp_path, caplog):
    words = ["optim.lr=0.1", "trainer.max_epochs=3", "trainer=cpu", "trainer.accelerator=cpu"]
    cfg = compose(["model=dummy", "data=wine", *QUICK, *words])
    assert without_effect(cfg) == ["optim.lr=0.1", "trainer.max_epochs=3"]
    fit(cfg, tmp_path / "run")
    assert "model=dummy is not trained by steps: no effect of optim.lr=0.1, trainer.max_epochs=3" in caplog.text


def test_a_preset_of_how_to_train_by_steps_is_said_to_have_no_effect(tmp_path):
    for preset in ("swa", "snapshots", "quick"):
        word = f"experiment={preset}"
        assert without_effect(compose(["model=dummy", "data=wine", word])) == [word], preset


def test_a_fit_that_was_killed_begins_again(tmp_path, monkeypatch):
    cfg = compose(["model=xgboost", "data=breast_cancer", "model.n_estimators=15", *QUICK])
    expected = fit(cfg, tmp_path / "whole")

    def killed(*_, **__):
        raise KeyboardInterrupt

    from colonnade.baselines.xgboost import XGBoost

    with monkeypatch.context() as patch:
        patch.setattr(XGBoost, "_train", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(cfg, tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"epoch": 0}\n')
    again = fit(cfg, tmp_path / "run")
    assert again["metrics"] == expected["metrics"]
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_a_search_can_give_it_up(name, tmp_path):
    cfg = compose([f"model={name}", "data=breast_cancer", *QUICK])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "prune").touch()
    result = fit(cfg, tmp_path / "run")
    assert result["status"] == "pruned"
    assert result["epochs"] == 1
    assert result["metrics"]["val"]["log_loss"] > 0


def test_classes_and_rows_are_weighed(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = np.where(x + rng.normal(size=400) > 1.5, "rare", "common")
    frame = pl.DataFrame({"x": x, "z": rng.normal(size=400), "y": y, "w": np.where(x > 0, 2.0, 1.0)})
    words = ["model=linear_sklearn", "data.target=y", "task=binary", *QUICK]
    share = {}
    for name, more in {
        "plain": [],
        "balanced": ["loader=balanced"],
        "classes": ["task.class_weight=balanced"],
        "rows": ["data.weight=w"],
    }.items():
        fit(compose([*words, *more]), tmp_path / name, frame)
        share[name] = predict(tmp_path / name, frame)["probability/rare"].mean()
    assert share["balanced"] == pytest.approx(share["classes"], abs=1e-3)
    assert share["balanced"] > share["plain"] + 0.1
    assert share["rows"] != share["plain"]


@pytest.mark.parametrize("name", ["xgboost", "linear_sklearn"])
def test_a_refit_trains_as_many_rounds_on_more_rows(name, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    result = fit(compose([f"model={name}", "data=breast_cancer", *QUICK, *SMALL[name]]), tmp_path / "run")
    again = refit(tmp_path / "run", tmp_path / "refit")
    assert again["status"] == "finished"
    assert again["epochs"] == result["epochs"]
    assert again["metrics"]["val"] == {}
    assert set(again["metrics"]["test"]) == set(result["metrics"]["test"])


def test_threads_change_nothing_that_is_kept(tmp_path):
    before = torch.get_num_threads()
    values = []
    for threads in (1, 2):
        words = ["model=lightgbm", "data=breast_cancer", "logger=none", f"threads={threads}", *SMALL["lightgbm"]]
        values.append(fit(compose(words), tmp_path / str(threads))["metrics"]["test"]["log_loss"])
    torch.set_num_threads(before)
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_loggers_are_told_of_the_rounds(tmp_path):
    words = ["model=xgboost", "data=breast_cancer", "threads=1", "logger=csv", *SMALL["xgboost"]]
    fit(compose(words), tmp_path / "run")
    told = pl.read_csv(tmp_path / "run" / "csv" / "metrics.csv")["val/log_loss"].to_list()
    assert told == pytest.approx([line["val/log_loss"] for line in lines(tmp_path / "run")])

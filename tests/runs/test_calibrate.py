"""Calibrated runs: what lies in the folder, that all who predict agree, and refusals."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from colonnade.cli.commands import main
from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.config.record import config_hash
from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.evaluation.options import Calibration
from colonnade.runs.calibrate import calibrate
from colonnade.runs.calibrated import wanted
from colonnade.runs.ensemble import ensemble
from colonnade.runs.export import export
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load
from colonnade.runs.predict import predict
from colonnade.runs.predict_onnx import predict_onnx

pytestmark = pytest.mark.drawn

QUICK = ("model=linear", "trainer=cpu", "threads=1", "trainer.max_epochs=2", "logger=none", "callbacks=none")
N = 400


def table(seed=0):
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=N), rng.integers(0, 3, N)
    score = np.stack([size, colour - size, 0.5 * colour], 1) + rng.gumbel(size=(N, 3))
    return pl.DataFrame(
        {
            "size": size.round(4),
            "colour": [("red", "green", "blue")[c] for c in colour],
            "kind": [("a", "b", "c")[k] for k in score.argmax(1)],
            "amount": (size * 3 + rng.normal(size=N)).round(3),
        }
    )


def configuration(folder, *words, target="kind"):
    other = "amount" if target == "kind" else "kind"
    data = [f"data.path={folder / 'rows.csv'}", f"data.target={target}", f"data.exclude.{other}=other"]
    return compose([*QUICK, *data, *words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run, and the same one calibrated in its training; figures of the latter alone, as they take the longest."""
    folder = tmp_path_factory.mktemp("calibrated")
    table().write_csv(folder / "rows.csv")
    fit(configuration(folder, "calibration=vector", "logger=tensorboard"), folder / "vector")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colonnade.report.figures.draw", lambda *of, **how: {})
        fit(configuration(folder), folder / "plain")
    return folder


def told(folder):
    record = json.loads((folder / "calibration.json").read_text())
    return {**record, **record["calibration"]}


def stored(folder):
    frame = pl.read_parquet(folder / "predictions.parquet")
    return frame.select(f"probability/{c}" for c in "abc").to_numpy(), frame


def test_the_folder_after_a_training_that_calibrates(runs):
    folder = RunFolder(runs / "vector")
    folder.verify("calibration.json", "calibration.safetensors", "figures/calibration.png")
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert {"calibration", "reliability"} <= set(events.Tags()["images"])
    record = told(folder.path)
    assert (record["method"], record["fitted_on"], record["rows"]) == ("vector", "val", 64)
    for part, found in record["reliability"].items():
        assert found["after"]["log_loss"] == pytest.approx(folder.result["metrics"][part]["log_loss"])
        assert found["after"]["brier"] == pytest.approx(folder.result["metrics"][part]["brier"])
    assert record["reliability"]["val"]["after"]["log_loss"] < record["reliability"]["val"]["before"]["log_loss"]


def test_the_training_is_the_same_as_without(runs):
    """Before the calibration stands what the run without one has measured."""
    plain = RunFolder(runs / "plain").result["metrics"]
    for part, found in told(runs / "vector")["reliability"].items():
        assert found["before"]["log_loss"] == pytest.approx(plain[part]["log_loss"])
    assert not (runs / "plain" / "calibration.json").exists()


def test_a_verb_makes_the_run_that_a_training_would_have_made(runs, tmp_path, capsys):
    before = (runs / "plain" / "manifest.json").read_bytes()
    assert main(["calibrate", f"run={runs / 'plain'}", f"out={tmp_path / 'out'}", "method=vector"]) == 0
    assert "log_loss (monitored)" in capsys.readouterr().out
    assert (runs / "plain" / "manifest.json").read_bytes() == before
    np.testing.assert_allclose(stored(tmp_path / "out")[0], stored(runs / "vector")[0], atol=1e-6)
    left, right = (RunFolder(f).result["metrics"] for f in (tmp_path / "out", runs / "vector"))
    assert left["test"] == pytest.approx(right["test"], rel=1e-5)
    made = RunFolder(tmp_path / "out")
    made.verify("calibration.json", "network.safetensors", "predictions.parquet", "split.json")
    # The same words find it finished; others are refused.
    assert calibrate(runs / "plain", tmp_path / "out", calibration=Calibration(method="vector")) == made.result
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        calibrate(runs / "plain", tmp_path / "out")


def test_all_who_predict_agree(runs, tmp_path):
    found = predict(runs / "vector", runs / "rows.csv")
    values, frame = stored(runs / "vector")
    again = found[frame["row_id"].to_numpy()]
    np.testing.assert_allclose(again.select(f"probability/{c}" for c in "abc").to_numpy(), values, atol=1e-6)
    assert again["prediction"].to_list() == frame["prediction"].to_list()
    assert export(runs / "vector", tmp_path / "m.onnx").parity.worst < 1e-6
    same = predict_onnx(tmp_path / "m.onnx", runs / "rows.csv")
    np.testing.assert_allclose(same["probability/a"], found["probability/a"], atol=1e-6)


def test_labelled_rows_of_a_file_take_the_place_of_the_validation_rows(runs, tmp_path):
    calibrate(runs / "plain", tmp_path / "out", data=table(seed=1))
    record = told(tmp_path / "out")
    assert (record["method"], record["fitted_on"], record["rows"]) == ("temperature", "data", N)
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        calibrate(runs / "plain", tmp_path / "out", data=table(seed=2))


def test_several_models(runs, tmp_path):
    """Of calibrated members the probabilities are averaged; a whole is calibrated as a whole."""
    folds = configuration(runs, "cv=kfold", "cv.folds=2", "cv.hold_out=split")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colonnade.report.figures.draw", lambda *of, **how: {})
        fit(folds, tmp_path / "folds")
        ensemble([runs / "vector", runs / "plain"], tmp_path / "both", method="mean")
    calibrate(tmp_path / "folds", tmp_path / "whole", calibration=Calibration(method="temperature"))
    assert told(tmp_path / "whole")["rows"] == 320
    whole = load(tmp_path / "whole")
    before, after = predict(tmp_path / "folds", runs / "rows.csv"), predict(tmp_path / "whole", runs / "rows.csv")
    pair = [torch.from_numpy(f.select(f"probability/{c}" for c in "abc").to_numpy()) for f in (before, after)]
    expected = (pair[0].double().log() / whole.predictor.calibrator.scaling.temperature).softmax(1)
    torch.testing.assert_close(pair[1].double(), expected, rtol=1e-5, atol=1e-6)
    mean = (
        predict(runs / "vector", runs / "rows.csv")["probability/a"]
        + predict(runs / "plain", runs / "rows.csv")["probability/a"]
    ) / 2
    np.testing.assert_allclose(predict(tmp_path / "both", runs / "rows.csv")["probability/a"], mean, atol=1e-6)


def test_refusals_before_anything_is_trained(runs, tmp_path):
    with pytest.raises(ConfigError, match=r"calibration: a cross-validation is calibrated as a whole.*`colonnade cal"):
        check(configuration(runs, "calibration=vector", "cv=kfold"))
    numbers = configuration(runs, "calibration=vector", target="amount")
    with pytest.raises(ConfigError, match="task=regression predicts no probabilities to calibrate: calibration=none"):
        fit(numbers, tmp_path / "run")
    with pytest.raises(ConfigError, match="calibration: task=quantile predicts no probabilities"):
        check(configuration(runs, "calibration=vector", "task=quantile", target="amount"))
    with pytest.raises(ConfigError, match="calibration: method=plat must be one of temperature, vector, isotonic"):
        check(configuration(runs, "calibration=vector", "calibration.method=plat"))
    cfg = configuration(runs, "calibration=vector")
    with pytest.raises(ConfigError, match=r"there are no validation rows to fit it on: calibration=none, or another"):
        loaded = load(runs / "plain")
        wanted(cfg, loaded.task, loaded.lookup, rows=0)


def test_refusals_of_the_verb(runs, tmp_path, capsys):
    with pytest.raises(ConfigError, match="is calibrated already: calibrate the run that it was made of"):
        calibrate(runs / "vector", tmp_path / "out")
    with pytest.raises(ConfigError, match="holds the run itself; give another folder"):
        calibrate(runs / "plain", runs)
    assert main(["calibrate", f"run={runs / 'plain'}", f"out={tmp_path / 'out'}", "method=plat"]) != 0
    assert "colonnade calibrate: method=plat must be one of temperature, vector, isotonic" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_configuration_without_one_has_the_hash_that_it_had(runs):
    cfg = configuration(runs)
    assert cfg.calibration is None
    old = OmegaConf.create({key: cfg[key] for key in cfg if key != "calibration"})
    assert config_hash(old) == config_hash(cfg) != config_hash(configuration(runs, "calibration=vector"))


def test_a_flipped_bit_is_found(runs, tmp_path):
    calibrate(runs / "plain", tmp_path / "out")
    state = tmp_path / "out" / "calibration.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"\x00")
    with pytest.raises(RunFolderError, match="differs from its SHA-256"):
        load(tmp_path / "out")
    state.unlink()
    with pytest.raises(RunFolderError, match="is missing from the run folder"):
        load(tmp_path / "out")

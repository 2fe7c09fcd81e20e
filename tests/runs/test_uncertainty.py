"""Runs that say how sure they are: intervals, sets and disagreement in every place where a prediction stands."""

import json

import numpy as np
import polars as pl
import pytest

from colonnade.cli.commands import main
from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.evaluation.options import Calibration, Uncertainty
from colonnade.runs.calibrate import calibrate
from colonnade.runs.ensemble import ensemble
from colonnade.runs.evaluate import evaluate
from colonnade.runs.export import export
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load
from colonnade.runs.predict import predict
from colonnade.runs.predict_onnx import predict_onnx
from colonnade.tuning.refit import configuration as refit_configuration

QUICK = ("trainer=cpu", "threads=1", "trainer.max_epochs=2", "logger=none", "callbacks=none")
TABM = ("model=tabm", "model.backbone.n_members=3", "model.backbone.d_block=16", "model.backbone.n_blocks=1")
N = 600


def table(seed=0):
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=N), rng.integers(0, 3, N)
    score = np.stack([size, colour - size, 0.5 * colour], 1) + rng.gumbel(size=(N, 3))
    return pl.DataFrame(
        {
            "size": size.round(4),
            "colour": [("red", "green", "blue")[c] for c in colour],
            "kind": [("a", "b", "c")[k] for k in score.argmax(1)],
            "amount": (100 + size * 3 + (1 + 2 * colour) * rng.normal(size=N)).round(3),
        }
    )


def configuration(folder, target, *words):
    other = "amount" if target == "kind" else "kind"
    data = [f"data.path={folder / 'rows.csv'}", f"data.target={target}", f"data.exclude.{other}=other"]
    return compose([*QUICK, *data, *words])


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colonnade.report.figures.draw", lambda *of, **how: {})
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs with intervals by group, with sets, and without either."""
    folder = tmp_path_factory.mktemp("uncertain")
    table().write_csv(folder / "rows.csv")
    sure = ("uncertainty=auto", "uncertainty.level=0.8")
    fit(configuration(folder, "amount", *TABM, *sure, "uncertainty.group=colour"), folder / "intervals")
    fit(configuration(folder, "kind", *TABM, *sure, "calibration=temperature"), folder / "sets")
    fit(configuration(folder, "kind", "model=linear"), folder / "plain")
    fit(configuration(folder, "amount", "model=linear", "task=quantile"), folder / "quantiles")
    return folder


def told(folder):
    return json.loads((folder / "calibration.json").read_text())


def test_intervals_in_the_folder(runs):
    folder = RunFolder(runs / "intervals")
    record = told(folder.path)["conformal"]
    assert (record["method"], record["level"], record["group"]) == ("absolute", 0.8, "colour")
    frame = pl.read_parquet(folder / "predictions.parquet")
    assert frame.columns[:5] == ["row_id", "prediction", "lower", "upper", "disagreement"]
    colour = table()["colour"].to_numpy()[frame["row_id"].to_numpy()]
    frame = frame.with_columns(colour=pl.Series(colour), inside=pl.col("target").is_between("lower", "upper"))
    for part in ("val", "test"):
        rows = frame.filter(split=part)
        assert record["measured"][part]["coverage"][0] == pytest.approx(rows["inside"].mean())
        assert folder.result["metrics"][part]["conformal_coverage"] == pytest.approx(rows["inside"].mean())
        width = (rows["upper"] - rows["lower"]).mean()
        assert folder.result["metrics"][part]["conformal_width"] == pytest.approx(width)
        for name, group in rows.group_by("colour"):
            by_group = record["measured"][part]["by_group"][name[0]]
            assert (by_group["rows"], by_group["coverage"][0]) == (group.height, pytest.approx(group["inside"].mean()))
            if part == "val":
                assert 0.8 <= group["inside"].mean() <= 0.8 + 1.5 / group.height + 0.01
    widths = frame.group_by("colour").agg((pl.col("upper") - pl.col("lower")).mean().alias("width")).sort("width")
    assert widths["colour"].to_list() == ["red", "green", "blue"]
    assert frame["disagreement"].min() > 0


def test_sets_in_the_folder(runs):
    frame = pl.read_parquet(runs / "sets" / "predictions.parquet")
    names = [f"{what}/{c}" for what in ("probability", "set") for c in "abc"]
    assert frame.columns[:9] == ["row_id", "prediction", *names, "disagreement"]
    record = told(runs / "sets")["conformal"]
    assert record["method"] == "lac"
    for part in ("val", "test"):
        rows = frame.filter(split=part)
        sets = rows.select(f"set/{c}" for c in "abc").to_numpy()
        inside = sets[np.arange(len(sets)), np.searchsorted(["a", "b", "c"], rows["target"].to_numpy())]
        measured = record["measured"][part]
        assert measured["coverage"] == pytest.approx(inside.mean())
        assert measured["size"] == pytest.approx(sets.sum(1).mean())
        assert sum(of["rows"] for of in measured["by_class"].values()) == len(sets)
    assert told(runs / "sets")["calibration"]["method"] == "temperature"


@pytest.mark.parametrize("run", ["intervals", "sets"])
def test_all_who_predict_agree(runs, run, tmp_path):
    found = predict(runs / run, runs / "rows.csv")
    stored = pl.read_parquet(runs / run / "predictions.parquet")
    again = found[stored["row_id"].to_numpy()]
    assert export(runs / run, tmp_path / "m.onnx").parity.worst < 1e-5
    served = predict_onnx(tmp_path / "m.onnx", runs / "rows.csv")
    assert served.columns == found.columns
    for name in found.columns[1:]:
        if found[name].dtype.is_numeric():
            np.testing.assert_allclose(again[name], stored[name], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(served[name], found[name], rtol=1e-4, atol=1e-5)


def test_new_labelled_rows_are_measured(runs):
    frame = table(seed=3)
    found = predict(runs / "intervals", frame)
    inside = (frame["amount"] >= found["lower"]) & (frame["amount"] <= found["upper"])
    metrics = evaluate(runs / "intervals", frame)
    assert metrics["conformal_coverage"] == pytest.approx(inside.mean())
    assert metrics["conformal_width"] == pytest.approx((found["upper"] - found["lower"]).mean())
    assert evaluate(runs / "sets", frame)["conformal_size"] > 0
    assert "conformal_coverage" not in evaluate(runs / "plain", frame)


def test_the_verb_gives_what_the_training_gives(runs, tmp_path):
    """Groups and disagreement are read from the data, all else from what is stored."""
    same = configuration(runs, "amount", *TABM)
    fit(same, tmp_path / "bare")
    words = ["conformal=auto", "level=0.8", "group=colour"]
    assert main(["calibrate", f"run={tmp_path / 'bare'}", f"out={tmp_path / 'out'}", *words]) == 0
    left, right = (pl.read_parquet(f / "predictions.parquet") for f in (tmp_path / "out", runs / "intervals"))
    assert set(left.columns) == set(right.columns)
    for name in ("lower", "upper", "disagreement"):
        np.testing.assert_allclose(left[name], right[name], rtol=1e-4)
    assert told(tmp_path / "out")["conformal"]["measured"]["test"]["by_group"].keys() == {"red", "green", "blue"}


def test_several_models(runs, tmp_path):
    """Members that have sets of their own do not bring them; the whole has its own, and says where members differ."""
    ensemble([runs / "sets", runs / "plain"], tmp_path / "both", method="mean")
    assert [c for c in predict(tmp_path / "both", runs / "rows.csv").columns if c.startswith(("set", "dis"))] == []
    options = Uncertainty(conformal="aps", group="colour")
    calibrate(tmp_path / "both", tmp_path / "out", calibration=Calibration(method="temperature"), uncertainty=options)
    found = predict(tmp_path / "out", runs / "rows.csv")
    assert found["disagreement"].max() > 0
    assert found.select(pl.sum_horizontal(f"set/{c}" for c in "abc")).to_series().min() >= 1
    export(tmp_path / "out")
    served = predict_onnx(tmp_path / "out" / "model.onnx", runs / "rows.csv")
    np.testing.assert_allclose(served["disagreement"], found["disagreement"], atol=1e-6)
    assert served["set/a"].to_list() == found["set/a"].to_list()


def test_randomized_sets_are_the_same_for_all_who_predict(runs, tmp_path):
    """Drawn when the run is trained, from its stored predictions, by the Predictor, in a graph, and by an ensemble."""
    words = ("uncertainty=auto", "uncertainty.conformal=aps", "uncertainty.randomized=true")
    fit(configuration(runs, "kind", "model=linear", *words), tmp_path / "trained")
    asked = ["conformal=aps", "randomized=true"]
    assert main(["calibrate", f"run={runs / 'plain'}", f"out={tmp_path / 'made'}", *asked]) == 0
    ensemble([runs / "sets", runs / "plain"], tmp_path / "both", method="mean")
    assert main(["calibrate", f"run={tmp_path / 'both'}", f"out={tmp_path / 'several'}", *asked]) == 0
    names, stored = [f"set/{c}" for c in "abc"], {}
    for run in ("trained", "made", "several"):
        frame = stored[run] = pl.read_parquet(tmp_path / run / "predictions.parquet")
        assert "draw" not in frame.columns
        assert frame.select(names).equals(predict(tmp_path / run, runs / "rows.csv")[frame["row_id"]].select(names))
        export(tmp_path / run)
        served = predict_onnx(tmp_path / run / "model.onnx", runs / "rows.csv")
        assert frame.select(names).equals(served[frame["row_id"]].select(names))
        size = frame.select(pl.sum_horizontal(names)).to_series()
        assert size.n_unique() > 1
    assert stored["trained"].select(names).equals(stored["made"].select(names))
    measured = told(tmp_path / "made")["conformal"]
    assert measured["randomized"] is True
    for line in measured["measured"]["val"]["by_level"]:
        assert line["level"] <= line["coverage"] < line["level"] + 0.03
    new = table(seed=4)
    assert evaluate(tmp_path / "made", new)["conformal_size"] > 0


def test_quantiles_are_moved(runs, tmp_path):
    calibrate(runs / "quantiles", tmp_path / "out", uncertainty=Uncertainty(level=0.9))
    frame = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    moved = frame["quantile/0"] - frame["lower"]
    assert moved.max() == pytest.approx(moved.min(), abs=1e-6)
    assert told(tmp_path / "out")["conformal"]["method"] == "cqr"
    assert "disagreement" not in frame.columns
    assert [file.name for file in (tmp_path / "out" / "figures").iterdir()] == ["intervals.png"]
    measured = told(tmp_path / "out")["conformal"]["measured"]["test"]
    by_level = {line["level"]: line for line in measured["by_level"]}
    assert list(by_level) == [0.8, 0.9, 0.95]
    assert by_level[0.9]["coverage"] == pytest.approx(measured["coverage"][0])
    assert by_level[0.9]["size"] == pytest.approx(measured["width"][0])
    assert by_level[0.8]["coverage"] < by_level[0.9]["coverage"] < by_level[0.95]["coverage"]
    assert by_level[0.9]["by_chance"]["low"] < 0.9 < by_level[0.9]["by_chance"]["high"]
    assert not (runs / "quantiles" / "calibration.json").exists()


def test_refusals(runs, tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"uncertainty: conformal=lac does not fit task=regression; use absolute"):
        check(configuration(runs, "amount", "task=regression", "uncertainty=auto", "uncertainty.conformal=lac"))
    with pytest.raises(
        ConfigError, match=r"uncertainty: a cross-validation is .*out=<folder> conformal=auto` afterwards"
    ):
        check(configuration(runs, "amount", "uncertainty=auto", "cv=kfold"))
    wrong = configuration(runs, "amount", "uncertainty=auto", "uncertainty.group=color")
    with pytest.raises(ConfigError, match=r"group='color' is no column of categories .*'colour'.*; there are: colour"):
        fit(wrong, tmp_path / "run")
    with pytest.raises(DataError, match=r"level=0.999 takes 999 rows at least, and there are 96 to calibrate on"):
        calibrate(runs / "plain", tmp_path / "out", uncertainty=Uncertainty(level=0.999))
    assert main(["calibrate", f"run={runs / 'plain'}", f"out={tmp_path / 'out'}", "level=0.8"]) != 0
    assert "level= goes with conformal=, such as conformal=auto" in capsys.readouterr().err
    assert main(["calibrate", f"run={runs / 'quantiles'}", f"out={tmp_path / 'out'}"]) != 0
    assert "predicts no probabilities to calibrate: method=none conformal=auto" in capsys.readouterr().err
    assert main(["calibrate", f"run={runs / 'plain'}", f"out={tmp_path / 'out'}", "conformal=auto", "level=x"]) != 0
    assert "level=x: expected a number" in capsys.readouterr().err


def test_a_refit_has_no_rows_to_calibrate_on(runs, caplog):
    cfg = refit_configuration(runs / "sets")
    assert (cfg.calibration, cfg.uncertainty) == (None, None)
    assert "calibration=none: a refit has no validation rows; afterwards, `colonnade calibrate" in caplog.text


def test_data_that_changed_are_not_taken(runs, tmp_path):
    (tmp_path / "rows.csv").write_text((runs / "rows.csv").read_text())
    fit(configuration(tmp_path, "kind", "model=linear"), tmp_path / "run")
    (tmp_path / "rows.csv").write_text((runs / "rows.csv").read_text().replace("red", "rot"))
    with pytest.raises(DataError, match=r"changed since\): leave group= out, and say disagreement=false"):
        calibrate(tmp_path / "run", tmp_path / "out", uncertainty=Uncertainty(group="colour"))
    with pytest.raises(DataError, match=r"changed since\): leave group= and randomized= out, and say"):
        calibrate(tmp_path / "run", tmp_path / "out", uncertainty=Uncertainty(conformal="aps", randomized=True))
    calibrate(tmp_path / "run", tmp_path / "out", uncertainty=Uncertainty())
    assert load(tmp_path / "out").fitted.conformal == {"method": "lac", "level": 0.9, "group": None}

"""Ensembles: weights found on rows nobody learned from, a folder that stands for itself, refusals by name."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss

from colonnade.cli.commands import main
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.report.leaderboard import reproduce
from colonnade.runs.compare import compare
from colonnade.runs.ensemble import ensemble
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.load import load
from colonnade.runs.predict import predict

N = 240
QUICK = ("threads=1", "logger=none", "trainer=cpu", "data.target=y")
P = "probability/yes"


def table(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 3))
    town = rng.choice(["Rom", "Ulm", "Oz"], N)
    score = x[:, 0] + (x[:, 1] > 0) * x[:, 2] + (town == "Rom")
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "town": town, "value": score * 5 + 20}
    return pl.DataFrame({**columns, "y": np.where(score + rng.logistic(size=N) > 0.5, "yes", "no")})


def train(folder, *words):
    path = folder.parent / "t.csv"
    if not path.exists():
        table().write_csv(path)
    given = words if any(word.startswith("data.exclude") for word in words) else (*words, "data.exclude=[value]")
    fit(compose([*QUICK, f"data.path={path}", *given]), folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colonnade.report.figures.draw", lambda *a, **k: {})
        patch.setattr("colonnade.runs.score._curves", lambda *a: {})
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two that see other columns, a constant, and a cross-validation that holds the same test rows out."""
    here = tmp_path_factory.mktemp("ensembles")
    trees = train(here / "trees", "model=xgboost", "model.n_estimators=20", "data.exclude=[value,town]")
    return {
        "linear": train(here / "linear", "model=linear_sklearn"),
        "trees": trees,
        "dummy": train(here / "dummy", "model=dummy"),
        "cv": train(here / "cv", "model=linear_sklearn", "cv=kfold", "cv.folds=2", "cv.hold_out=split"),
    }


def stored(folder, part):
    return pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == part).sort("row_id")


def shared(folders):
    """Rows of val that all have, each as a frame."""
    ids = set.intersection(*(set(stored(f, "val")["row_id"]) for f in folders))
    return [stored(f, "val").filter(pl.col("row_id").is_in(list(ids))) for f in folders]


def test_greedy_weights_minimise_the_monitored_metric_on_shared_validation_rows(runs, tmp_path):
    folders = [runs["linear"], runs["trees"], runs["dummy"]]
    result = ensemble(folders, tmp_path / "e")
    frames = shared(folders)
    truth = frames[0]["target"] == "yes"
    each = np.stack([f[P].to_numpy() for f in frames])
    weights = np.array([member["weight"] for member in result["ensemble"]["members"]])
    assert weights.sum() == pytest.approx(1)
    mine = log_loss(truth, weights @ each)
    assert result["metrics"]["val"]["log_loss"] == pytest.approx(mine, abs=1e-6)
    # As good as any weights on a grid as fine as the selections, and better than each alone.
    steps = np.arange(0, 1.001, 0.05)
    grid = [np.array([a, b, 1 - a - b]) for a in steps for b in steps if a + b <= 1]
    assert mine <= min(log_loss(truth, w @ each) for w in grid) + 2e-4
    test = [stored(f, "test") for f in folders]
    mixed = weights @ np.stack([f[P].to_numpy() for f in test])
    assert result["metrics"]["test"]["log_loss"] == pytest.approx(log_loss(test[0]["target"] == "yes", mixed), abs=1e-6)


def test_the_folder_stands_for_itself_and_is_used_like_any(runs, tmp_path):
    folders = [runs["linear"], runs["trees"], runs["cv"]]
    result = ensemble(folders, tmp_path / "e", method="mean")
    moved = shutil.move(tmp_path / "e", tmp_path / "moved")
    lost = [folder.rename(folder.with_name(f"{folder.name}-away")) for folder in folders]
    try:
        rows = table(seed=1)
        whole = predict(moved, rows)
    finally:
        for away, folder in zip(lost, folders):
            away.rename(folder)
    np.testing.assert_allclose(whole[P], np.mean([predict(f, rows)[P] for f in folders], axis=0), atol=1e-6)
    test = stored(runs["linear"], "test")
    table()[test["row_id"]].write_csv(tmp_path / "test.csv")
    assert evaluate(moved, tmp_path / "test.csv") == pytest.approx(result["metrics"]["test"], abs=1e-6)
    # The columns of any member are those of the whole.
    assert load(moved).schema.features == ("a", "b", "c", "town")
    assert not list((tmp_path / "moved").rglob("checkpoints"))
    again = ensemble([moved, runs["dummy"]], tmp_path / "again", method="mean")
    assert again["ensemble"]["rows"] == result["ensemble"]["rows"]
    found = compare([moved, runs["linear"]])
    assert [row.settings["model"] for row in found.rows] == ["ensemble (mean)", "linear_sklearn"]
    assert reproduce(found.rows[:1]).startswith("colonnade ensemble runs=")


def test_it_is_explained_by_the_test_rows_of_its_models(runs, tmp_path, capsys):
    """Without naming any: the copies know their rows, and compare them with those they learned from."""
    here = tmp_path / "e"
    ensemble([runs["linear"], runs["trees"], runs["cv"]], here, method="mean")
    assert main(["explain", f"run={here}", "rows=4", "samples=2"]) == 0
    assert f"{here}: importance.json" in capsys.readouterr().out
    (joint,) = json.loads((here / "importance.json").read_text())
    assert joint["runs"] == ["0", "1", "2/folds/0", "2/folds/1"]
    test = set(stored(runs["linear"], "test")["row_id"])
    for model in ("0", "1"):
        told = pl.read_parquet(here / "members" / model / "attributions.parquet")
        assert set(told["split"]) == {"test"}
        assert set(told["row_id"]) <= test
    assert load(here).predictor is not None


def test_stacking_is_that_of_scikit_learn(runs, tmp_path):
    folders = [runs["linear"], runs["trees"]]
    ensemble(folders, tmp_path / "e", method="stacking", regularisation=2.0)
    frames = shared(folders)
    inputs = np.stack([np.log(f[P]) - np.log(f["probability/no"]) for f in frames], axis=1)
    model = LogisticRegression(C=0.5, max_iter=10_000).fit(inputs, frames[0]["target"])
    rows = table(seed=1)
    new = np.stack([np.log(p[P]) - np.log(p["probability/no"]) for p in (predict(f, rows) for f in folders)], axis=1)
    np.testing.assert_allclose(predict(tmp_path / "e", rows)[P], model.predict_proba(new)[:, 1], atol=1e-5)


def test_real_targets(tmp_path):
    words = ("data.target=value", "data.exclude=[y]")
    folders = [
        train(tmp_path / "linear", "model=linear_sklearn", *words),
        train(tmp_path / "cv", "model=linear_sklearn", "cv=kfold", "cv.folds=2", "cv.hold_out=split", *words),
    ]
    ensemble(folders, tmp_path / "e", method="stacking")
    frames = shared(folders)
    truth = frames[0]["target"].to_numpy()
    mean, scale = truth.mean(), truth.std()
    inputs = np.stack([f["prediction"].to_numpy() for f in frames], axis=1)
    model = Ridge(alpha=1.0).fit((inputs - mean) / scale, (truth - mean) / scale)
    rows = table(seed=1)
    new = np.stack([predict(f, rows)["prediction"].to_numpy() for f in folders], axis=1)
    expected = model.predict((new - mean) / scale) * scale + mean
    np.testing.assert_allclose(predict(tmp_path / "e", rows)["prediction"], expected, rtol=1e-5)
    result = ensemble(folders, tmp_path / "g")
    assert result["metrics"]["val"]["rmse"] <= min(m["val"] for m in result["ensemble"]["members"]) + 1e-9


def test_runs_of_weight_zero_are_left_out_and_a_folder_is_made_once(runs, tmp_path, caplog):
    out = tmp_path / "e"
    result = ensemble([runs["linear"], runs["dummy"]], out, rounds=0)
    weights = {member["run"].rpartition("/")[2]: member["weight"] for member in result["ensemble"]["members"]}
    assert weights == {"linear": 1.0, "dummy": 0.0}
    assert len(load(out).predictor.members) == 1
    assert ensemble([runs["linear"], runs["dummy"]], out, rounds=0)["metrics"] == result["metrics"]
    assert "is finished: nothing to do" in caplog.text
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        ensemble([runs["linear"], runs["dummy"]], out, method="mean")
    ensemble([runs["linear"], runs["dummy"]], out, method="mean", overwrite=True)
    assert len(load(out).predictor.members) == 2
    # Another run, well in itself, in the place of a member.
    shutil.rmtree(out / "members" / "0")
    shutil.copytree(out / "members" / "1", out / "members" / "0")
    with pytest.raises(RunFolderError, match="manifest.json' differs from its SHA-256"):
        predict(out, table())


def test_refusals(runs, tmp_path):
    def refused(error, text, *folders, **options):
        with pytest.raises(error, match=text):
            ensemble(folders, tmp_path / "x", **options)

    linear = runs["linear"]
    refused(ConfigError, "is alone, an ensemble has two runs or more", linear, linear)
    refused(ConfigError, "method=vote: one of greedy, mean, stacking", linear, runs["trees"], method="vote")
    refused(RunFolderError, "holds no run", linear, tmp_path)
    table(seed=5).write_csv(tmp_path / "t.csv")
    other = train(tmp_path / "other", "model=dummy")
    refused(ConfigError, "these runs make no ensemble: .*linear' learned from .*other' learned from", linear, other)
    path = f"data.path={linear.parent / 't.csv'}"
    seeded = tmp_path / "seeded"
    fit(compose([*QUICK, path, "model=dummy", "seed=1", "data.exclude=[value]"]), seeded)
    refused(
        ConfigError,
        r"seeded' was tested on 48 rows, .*linear' on 48, and the two share 12: .* cv.hold_out=split",
        linear,
        seeded,
    )
    town = tmp_path / "town"
    fit(compose([*QUICK, path, "model=dummy", "data.target=town", "data.exclude=[value]"]), town)
    refused(ConfigError, "make no ensemble.*of task", linear, town)
    kinds = tmp_path / "kinds"
    fit(compose([*QUICK, path, "model=dummy", "data.exclude=[value]", "data.columns.town=text"]), kinds)
    refused(ConfigError, "column 'town' text, and categorical", linear, kinds, method="mean")
    assert main(["ensemble", f"runs={linear},{runs['trees']}", f"out={tmp_path}/y", "rounds=few"]) == 2
    assert main(["ensemble", f"runs={linear},nowhere", f"out={tmp_path}/y"]) == 2


def test_the_verb(runs, tmp_path, capsys):
    words = [f"runs={runs['linear']},{runs['trees']}", f"out={tmp_path / 'e'}", "method=greedy", "bags=4", "rounds=5"]
    assert main(["ensemble", *words]) == 0
    told = capsys.readouterr().out
    assert "log_loss (monitored)" in told
    assert "together" in told
    result = json.loads((tmp_path / "e" / "result.json").read_text())
    assert result["ensemble"]["bags"] == 4

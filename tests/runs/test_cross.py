"""Cross-validation as a run folder: honest predictions, one reading of the data, resumed, and used like any run."""

import json
import logging
import os
import shutil

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from scipy.stats import t as student

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.data.dataset import TableDataset
from colonnade.data.split import Split
from colonnade.runs.compare import runs_below
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.latency import latency
from colonnade.runs.load import load, load_run
from colonnade.runs.predict import predict
from colonnade.training.callbacks.recovery import Recovery
from colonnade.tuning.refit import configuration

pytestmark = pytest.mark.drawn

N, POOL = 240, 180
QUICK = ("threads=1", "logger=none", "trainer=cpu", "data.target=y")
MLP = ("model=mlp", "model.backbone.d_hidden=[8]", "pipeline=default", "trainer.max_epochs=2", "callbacks=minimal")
PARTS = f"data.parts={{train:[0,{POOL}],test:[{POOL},{N}]}}"
P = "probability/yes"


def frame():
    """A rare town is in one fold alone, so that pipelines differ."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 2))
    town = rng.choice(["Rom", "Ulm", None], N)
    town[:3] = ["Oz", "Utopia", "Oz"]
    logit = 2 * x[:, 0] + (town == "Rom")
    columns = {"a": x[:, 0], "b": x[:, 1], "town": town, "team": np.arange(N) // 6, "day": np.arange(N) % 40}
    return pl.DataFrame({**columns, "y": np.where(logit + rng.logistic(size=N) > 0, "yes", "no")})


def train(folder, *words):
    path = folder.parent / "t.csv"
    if not path.exists():
        frame().write_csv(path)
    return fit(compose([*QUICK, f"data.path={path}", *words]), folder)


def stored(folder, part="val"):
    return pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == part).sort("row_id")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cv") / "run"
    return folder, train(folder, *MLP, PARTS, "cv=kfold", "cv.folds=3", "seed=1")


@pytest.fixture(autouse=True)
def _no_figures(run, monkeypatch):
    """Those of one run are enough; they take longer than all the rest."""
    assert {path.name for path in (run[0] / "figures").iterdir()} == {"confusion.png", "curves.png", "reliability.png"}
    monkeypatch.setattr("colonnade.runs.crossed._figures", lambda bag, frame, table: {})


def members(folder):
    return sorted(path for path in (folder / "folds").iterdir() if path.is_dir())


def honest(folder):
    """Every row out of fold was predicted by the model of its fold, which had it in neither train nor val."""
    frame = stored(folder)
    for i, member in enumerate(members(folder)):
        split = Split.load(member / "split.json")
        mine = frame.filter(pl.col("fold") == i)
        assert np.intersect1d(mine["row_id"], [*split.train, *split.val]).size == 0
        assert mine["row_id"].to_list() == split.test.tolist()
        again = predict(member, folder.parent / "t.csv")[mine["row_id"]]
        np.testing.assert_allclose(mine[P], again[P], atol=1e-6)
    return frame


def test_no_row_is_predicted_by_a_model_that_saw_it(run):
    assert honest(run[0])["row_id"].to_list() == list(range(POOL))


@pytest.mark.parametrize(
    "words",
    [
        ("cv=group", "cv.folds=3", "data.group=team"),
        ("cv=time", "cv.folds=3", "data.time=day", "cv.purge=2", "cv.embargo=1", "cv.forward=false"),
    ],
)
def test_nor_one_whose_group_or_time_it_saw(words, tmp_path):
    train(tmp_path / "run", "model=linear_sklearn", *words)
    frame = honest(tmp_path / "run")
    assert frame["row_id"].to_list() == list(range(N))
    rows = pl.read_csv(tmp_path / "t.csv")
    for member in members(tmp_path / "run"):
        split = Split.load(member / "split.json")
        seen = np.array([*split.train, *split.val])
        if "cv=group" in words:
            assert set(rows["team"][seen]).isdisjoint(rows["team"][split.test])
        else:
            gap = np.abs(rows["day"].to_numpy()[seen][:, None] - rows["day"].to_numpy()[split.test]).min()
            assert gap > 2


def test_metrics_over_the_folds(run):
    folder, result = run
    folds = [json.loads((m / "result.json").read_text())["metrics"]["test"]["log_loss"] for m in members(folder)]
    cv = result["cv"]
    assert result["metrics"]["val"]["log_loss"] == pytest.approx(np.mean(folds))
    assert cv["std"]["log_loss"] == pytest.approx(np.std(folds, ddof=1))
    half = student.ppf(0.975, 2) * np.std(folds, ddof=1) * np.sqrt(1 / 3 + 60 / 120)
    assert cv["interval"]["high"]["log_loss"] == pytest.approx(np.mean(folds) + half)
    assert [fold["rows"] for fold in cv["trainings"]] == [{"train": 96, "val": 24, "fold": 60}] * 3
    assert (result["status"], result["monitor"], cv["held_out"]) == ("finished", "val/log_loss", N - POOL)
    told = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["val/log_loss"] for line in told] == pytest.approx([np.mean(folds[: i + 1]) for i in range(3)])


def test_held_out_rows_and_new_ones_get_the_mean_of_all_models(run, tmp_path):
    folder, result = run
    rows = frame()
    each = np.mean([predict(member, rows)[P] for member in members(folder)], axis=0)
    whole = predict(folder, rows)
    np.testing.assert_allclose(whole[P], each, atol=1e-6)
    assert (whole["prediction"] == np.where(each > 0.5, "yes", "no")).all()
    tested = stored(folder, "test")
    assert tested["row_id"].to_list() == list(range(POOL, N))
    np.testing.assert_allclose(tested[P], each[POOL:], atol=1e-6)
    rows[POOL:].write_csv(tmp_path / "test.csv")
    assert evaluate(folder, tmp_path / "test.csv") == pytest.approx(result["metrics"]["test"], abs=1e-6)
    assert latency(folder, repeats=2, warmup=1) > 0


def test_a_town_that_one_fold_knows_reaches_its_model_alone(run, caplog):
    folder, _ = run
    levels = [set(load_run(member).lookup.cat[0].levels) for member in members(folder)]
    assert len({frozenset(known) for known in levels}) > 1
    assert set(load(folder).lookup.cat[0].levels) == set.union(*levels)
    predict(folder, frame().head(4).with_columns(town=pl.Series(["Utopia", "Atlantis", "Rom", None])))
    assert "column 'town': 1 of 4 rows hold a category unseen" in caplog.text


def test_what_is_odd_about_the_table_is_told_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    names = pl.Series("name", [f"n{i % 200}" for i in range(N)])
    frame().with_columns(names).write_csv(tmp_path / "t.csv")
    train(tmp_path / "run", "model=linear_sklearn", "cv=kfold", "cv.folds=2")
    assert caplog.text.count("name: 200 levels in 240 rows") == 1
    assert caplog.text.count("rare: column 'name'") == 2, "each fold fits its own"


def test_what_was_cut_off_goes_on_and_nothing_is_done_twice(tmp_path):
    folder, words = tmp_path / "run", ("model=linear_sklearn", "cv=kfold", "cv.folds=2")
    before = train(folder, *words)
    for path in (folder / "result.json", folder / "folds" / "1" / "result.json"):
        path.unlink()
    marks = [os.stat(folder / "folds" / str(i) / "network.safetensors").st_mtime_ns for i in range(2)]
    after = train(folder, *words)
    again = [os.stat(folder / "folds" / str(i) / "network.safetensors").st_mtime_ns for i in range(2)]
    assert [a == b for a, b in zip(marks, again)] == [True, False]
    assert after["metrics"] == before["metrics"]
    with pytest.raises(RunFolderError, match="holds a run of another configuration"):
        train(folder, *words, "cv.val=0.3")
    (folder / "result.json").unlink()
    frame().head(200).write_csv(tmp_path / "t.csv")
    with pytest.raises(RunFolderError, match="cannot be resumed: .*t.csv changed since it began"):
        train(folder, *words)


def test_repeats_have_other_folds_and_seeds_and_a_row_gets_their_mean(tmp_path, monkeypatch):
    folder, times, read = tmp_path / "run", [], TableDataset.read
    monkeypatch.setattr(TableDataset, "read", lambda self: times.append(1) or read(self))
    result = train(folder, "model=linear_sklearn", "cv=repeated", "cv.folds=2", "cv.repeats=2", "seed=4")
    assert len(times) == 1, "the data are read once"
    parts = [stored(member, "test") for member in members(folder)]
    rows = stored(folder)
    assert rows["row_id"].to_list() == list(range(N))
    mean = pl.concat(parts).group_by("row_id", maintain_order=False).agg(pl.col(P).mean()).sort("row_id")
    np.testing.assert_allclose(rows[P], mean[P], atol=1e-6)
    seeds = [load_run(member).cfg.seed for member in members(folder)]
    assert seeds == [4, 4, 5, 5]
    assert (result["cv"]["n"], len(load(folder).predictor.members)) == (4, 4)


def test_nested_folds_are_predicted_by_the_mean_of_the_inner_models(tmp_path):
    folder = tmp_path / "run"
    result = train(folder, "model=linear_sklearn", "cv=nested", "cv.folds=2", "cv.inner.folds=2")
    rows = stored(folder)
    assert rows["row_id"].to_list() == list(range(N))
    for i, outer in enumerate(members(folder)):
        mine = rows.filter(pl.col("fold") == i)
        inner = np.mean([predict(m, frame())[P] for m in members(outer)], axis=0)
        np.testing.assert_allclose(mine[P], inner[mine["row_id"]], atol=1e-6)
        seen = [Split.load(m / "split.json") for m in members(outer)]
        assert all(np.intersect1d(mine["row_id"], np.concatenate(list(s.parts().values()))).size == 0 for s in seen)
        assert sorted(stored(outer)["row_id"]) == np.setdiff1d(range(N), mine["row_id"]).tolist()
    assert result["cv"]["trainings"][0]["metrics"]["val"].keys() == result["metrics"]["val"].keys()


def test_folds_as_a_pack_are_those_trained_one_by_one(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    words = (*MLP, PARTS, "cv=kfold", "cv.folds=3", "data.exclude=[town]", "callbacks=default", "loader.batch_size=32")
    save = Recovery._save_or_leave

    def told(self, trainer, module, due):
        self._signals.received = 15 if trainer.global_step else None
        save(self, trainer, module, due)

    with monkeypatch.context() as patch:
        patch.setattr(Recovery, "_save_or_leave", told)
        with pytest.raises(SystemExit, match="143"):
            train(tmp_path / "packed", *words, "cv.packed=true")
    assert not list((tmp_path / "packed").rglob("result.json"))
    caplog.clear()
    packed = train(tmp_path / "packed", *words, "cv.packed=true")
    assert "a pack of 3" in caplog.text
    assert "resuming from" in caplog.text
    solo = train(tmp_path / "solo", *words)
    for part in ("val", "test"):
        frames = [stored(tmp_path / name, part) for name in ("packed", "solo")]
        assert frames[0].drop(cs.float()).equals(frames[1].drop(cs.float()))
        np.testing.assert_allclose(frames[0][P], frames[1][P], rtol=1e-4)
        assert packed["metrics"][part] == pytest.approx(solo["metrics"][part], rel=1e-4)
    assert packed.keys() == solo.keys()
    for mine, other in zip(members(tmp_path / "packed"), members(tmp_path / "solo")):
        assert {p.name for p in mine.iterdir()} == {p.name for p in other.iterdir()}
    # It is no other cross-validation: what was begun in one way is finished in the other.
    for path in (tmp_path / "packed" / "result.json", tmp_path / "packed" / "folds" / "1" / "result.json"):
        path.unlink()
    caplog.clear()
    assert train(tmp_path / "packed", *words)["metrics"]["val"] == pytest.approx(packed["metrics"]["val"], rel=1e-4)
    assert "a pack of" not in caplog.text


def test_what_makes_no_pack_is_trained_one_by_one(tmp_path, caplog):
    result = train(tmp_path / "run", "model=dummy", "cv=kfold", "cv.folds=2", "cv.packed=true")
    assert result["status"] == "finished"
    assert "cv.packed: not in a pack: model: a baseline is fitted at once" in caplog.text
    with pytest.raises(ConfigError, match=r"the trainings are those of the inner folds; cv\.inner\.packed=true"):
        train(tmp_path / "nested", "model=dummy", "cv=nested", "cv.packed=true")


def test_inner_folds_are_packed_within_each_outer_one(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    words = (*MLP, "trainer.max_epochs=1", "data.exclude=[town]", "cv=nested", "cv.folds=2", "cv.inner.folds=2")
    result = train(tmp_path / "run", *words, "cv.inner.packed=true")
    assert result["status"] == "finished"
    assert caplog.text.count("a pack of 2") == 2


def test_real_targets_weights_and_frames(tmp_path):
    rows = frame().with_columns(y=pl.col("a") * 3 + pl.col("b") + 7, w=pl.Series(np.arange(N) % 3 + 0.5))
    words = ("model=linear_sklearn", "cv=kfold", "cv.folds=2", "data.target=y", "data.weight=w", "cv.hold_out=split")
    result = fit(compose([*QUICK, *words]), tmp_path / "run", rows)
    out = stored(tmp_path / "run")
    np.testing.assert_allclose(out["target"], rows["y"].gather(out["row_id"]), rtol=1e-5)
    np.testing.assert_allclose(out["weight"], rows["w"].gather(out["row_id"]))
    errors = [
        np.sqrt(np.average((f["prediction"] - f["target"]) ** 2, weights=f["weight"]))
        for f in out.partition_by("fold", maintain_order=True)
    ]
    assert result["metrics"]["val"]["rmse"] == pytest.approx(np.mean(errors))
    assert stored(tmp_path / "run", "test")["weight"].len() == result["cv"]["held_out"] == N // 5


def test_a_search_may_give_it_up_between_two_folds(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "prune").touch()
    result = train(tmp_path / "run", "model=dummy", "cv=kfold")
    assert (result["status"], result["epochs"]) == ("pruned", 1)
    assert "log_loss" in result["metrics"]["val"]
    assert len(members(tmp_path / "run")) == 1


def test_its_folds_are_part_of_it(run):
    folder, _ = run
    assert runs_below(folder.parent) == [folder]
    assert runs_below(folder) == members(folder)


def test_refusals(run, tmp_path, monkeypatch):
    folder, _ = run
    with pytest.raises(RunFolderError, match=r"holds 3 models, and one is asked for: such as run=.*run/folds/0"):
        load_run(folder)
    with pytest.raises(ConfigError, match="a refit trains one: name one of its members, such as run=.*folds/0"):
        configuration(folder)
    with pytest.raises(ConfigError, match="cv: Random makes no folds"):
        train(tmp_path / "a", "model=dummy", "+cv._target_=colonnade.data.split.Random")
    with pytest.raises(DataError, match="a group split needs its column"):
        train(tmp_path / "b", "model=dummy", "cv=group")
    with pytest.raises(ConfigError, match="cv.folds=1 must be at least 2"):
        train(tmp_path / "c", "model=dummy", "cv=kfold", "cv.folds=1")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="cv: not under torchrun"):
        train(tmp_path / "d", "model=dummy", "cv=kfold")


def test_a_member_that_was_exchanged_is_found(run, tmp_path):
    copy = shutil.copytree(run[0], tmp_path / "copy")
    assert len(predict(copy, frame().head(3))) == 3
    shutil.rmtree(copy / "folds" / "0")
    shutil.copytree(copy / "folds" / "1", copy / "folds" / "0")
    with pytest.raises(RunFolderError, match="manifest.json' differs from its SHA-256"):
        load(copy)
    told = json.loads((copy / "ensemble.json").read_text())
    told["members"][0]["folder"] = "../../elsewhere"
    (copy / "ensemble.json").write_text(json.dumps(told))
    with pytest.raises(RunFolderError, match="differs from its SHA-256"):
        load(copy)

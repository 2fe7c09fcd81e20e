"""A target for each step, from end to end."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict

pytestmark = pytest.mark.drawn

SMALL = (
    "model=event_gru",
    "model.backbone.d_hidden=12",
    "trainer=cpu",
    "threads=1",
    "logger=none",
    "loader.batch_size=32",
)


def log(n=90, seed=0):
    """Machines that go through a, b, c in turn, but stay where the number before was negative."""
    rng = np.random.default_rng(seed)
    rows = []
    for machine in range(n):
        state = int(rng.integers(3))
        for t in range(int(rng.integers(3, 12))):
            x = float(rng.normal())
            rows.append((f"m{machine}", t, "abc"[state], x, "yes" if state == 0 and x > 0 else "no"))
            state = state if x < 0 else (state + 1) % 3
    return pl.DataFrame(rows, schema=["machine", "t", "state", "x", "alarm"], orient="row")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    log().write_csv(folder / "log.csv")
    return folder


def words(folder, *more):
    place = (f"data.path={folder / 'log.csv'}", "data.id=machine", "data.time=t", "data.context=4")
    return [*SMALL, "data=steps", *place, "trainer.max_epochs=25", "optim.lr=0.01", *more]


@pytest.fixture(scope="module")
def trained(folder):
    chosen = ("data.target=state", "data.lead=1", "task=multiclass", "data.exclude.alarm=label")
    return fit(compose(words(folder, *chosen)), folder / "next")


def test_the_next_event_is_learned(folder, trained):
    assert trained["metrics"]["test"]["accuracy"] > 0.9
    stored = pl.read_parquet(folder / "next" / "predictions.parquet")
    machines = log()["machine"].to_numpy()
    parts = {part: set(machines[stored.filter(split=part)["row_id"]]) for part in ("val", "test")}
    # Whole series, of which no other part knows.
    assert not parts["val"] & parts["test"]
    assert 12 <= len(parts["test"]) <= 26


def test_predictions_are_those_of_the_training_and_see_no_later_step(folder, trained):
    stored = pl.read_parquet(folder / "next" / "predictions.parquet").filter(split="test").sort("row_id")
    found = predict(folder / "next", log().drop("alarm"))
    assert found.height == log().height
    assert found["machine"].equals(log()["machine"])
    np.testing.assert_allclose(found["probability/a"][stored["row_id"].to_list()], stored["probability/a"], atol=1e-5)
    early = predict(folder / "next", log().filter(pl.col("t") < 3))
    late = found.filter(log()["t"] < 3)
    np.testing.assert_allclose(early["probability/a"], late["probability/a"], atol=1e-5)


def test_rows_are_called_by_their_place_in_the_file_however_it_is_sorted(folder, trained):
    inside = predict(folder / "next", log().drop("alarm"))
    shuffled = log().drop("alarm").with_row_index("was").sample(fraction=1, shuffle=True, seed=1)
    found = predict(folder / "next", shuffled.drop("was"))
    assert found["row_id"].to_list() == list(range(len(found)))
    assert found["machine"].equals(shuffled["machine"])
    np.testing.assert_allclose(found["probability/a"], inside["probability/a"][shuffled["was"].to_list()], atol=1e-5)


def test_evaluate_measures_the_steps_that_are_followed(folder, trained):
    stored = pl.read_parquet(folder / "next" / "predictions.parquet").filter(split="test")
    machines = log()["machine"].gather(stored["row_id"]).unique()
    found = evaluate(folder / "next", log().filter(pl.col("machine").is_in(machines.implode())))
    assert found == pytest.approx(trained["metrics"]["test"], abs=1e-5)


def test_a_label_of_each_step_by_the_one_before(folder):
    more = ("data.target=alarm", "data.known=true", "task=binary", "trainer.max_epochs=12")
    result = fit(compose(words(folder, *more)), folder / "label")
    assert result["metrics"]["test"]["auroc"] > 0.95
    assert predict(folder / "label", log()).height == log().height


def test_steps_without_a_label_are_predicted_like_the_others(folder, tmp_path):
    sparse = log().with_columns(alarm=pl.when(pl.int_range(pl.len()) % 3 > 0).then("alarm"))
    sparse.write_csv(tmp_path / "log.csv")
    more = ("data.target=alarm", "task=binary", "trainer.max_epochs=4")
    with pytest.raises(DataError, match="'alarm' is missing .*data.drop_missing_target=true"):
        fit(compose(words(tmp_path, *more)), tmp_path / "told")
    result = fit(compose(words(tmp_path, *more, "data.drop_missing_target=true")), tmp_path / "sparse")
    stored = pl.read_parquet(tmp_path / "sparse" / "predictions.parquet").filter(split="test")
    assert (stored["row_id"] % 3 > 0).all()
    found = predict(tmp_path / "sparse", sparse)
    assert found.height == sparse.height
    np.testing.assert_allclose(found["probability/yes"].gather(stored["row_id"]), stored["probability/yes"], atol=1e-5)
    tested = sparse["machine"].gather(stored["row_id"]).unique()
    folds = ("cv=kfold", "cv.folds=2", "cv.hold_out=split", "trainer.max_epochs=1")
    fit(compose(words(tmp_path, *more[:2], "data.drop_missing_target=true", *folds)), tmp_path / "folds")
    assert (pl.read_parquet(tmp_path / "folds" / "predictions.parquet")["row_id"] % 3 > 0).all()
    again = evaluate(tmp_path / "sparse", sparse.filter(pl.col("machine").is_in(tested.implode())))
    assert again == pytest.approx(result["metrics"]["test"], abs=1e-5)


def test_a_baseline_learns_histories_too(folder):
    more = ("model=minirocket", "model.n_features=420", "data.target=alarm", "task=binary")
    kept = [w for w in words(folder) if not w.startswith(("model", "optim", "trainer", "loader"))]
    result = fit(compose([*kept, *more]), folder / "rocket")
    assert result["metrics"]["test"]["auroc"] > 0.8
    kept = [*kept, "data.target=alarm", "task=binary", "model=dummy"]
    assert fit(compose(kept), folder / "dummy")["metrics"]["test"]["auroc"] == 0.5


def test_series_held_out_from_all_folds_are_predicted_by_their_histories(folder):
    more = ("data.target=state", "data.lead=1", "task=multiclass", "data.exclude.alarm=label", "trainer.max_epochs=2")
    held = ("cv=kfold", "cv.folds=2", "cv.hold_out=split")
    result = fit(compose(words(folder, *more, *held)), folder / "folds")
    stored = pl.read_parquet(folder / "folds" / "predictions.parquet").filter(split="test")
    assert len(stored) == result["cv"]["held_out"]
    found = predict(folder / "folds", log())
    np.testing.assert_allclose(found["probability/a"].gather(stored["row_id"]), stored["probability/a"], atol=1e-5)


def test_steps_drawn_at_random_are_refused(folder):
    with pytest.raises(ConfigError, match="split: steps of one series are alike"):
        fit(compose(words(folder, "data.target=alarm", "task=binary", "split=random")), folder / "torn")


def test_type_and_time_of_the_next_event_are_learned_together(tmp_path):
    """After `a` comes `b` an hour later, after `b` comes `a` a day later, give or take."""
    rng = np.random.default_rng(0)
    rows = []
    for case in range(80):
        hours, state = 0.0, int(rng.integers(2))
        for _ in range(int(rng.integers(3, 9))):
            when = np.datetime64("2024-01-01") + np.timedelta64(round(hours * 3600), "s")
            rows.append((case, str(when), "ab"[state]))
            hours += float(rng.lognormal(np.log(1.0 if state == 0 else 24.0), 0.1))
            state = 1 - state
    frame = pl.DataFrame(rows, schema=["case", "when", "type"], orient="row")
    data = ("data=steps", "data.id=case", "data.time=when", "data.lead=1", "data.elapsed=hours", "data.context=4")
    event = (*data, "data.target=[type,elapsed]", "task=next_event", "optim.lr=0.02", "trainer.max_epochs=25")
    result = fit(compose([*SMALL, *event]), tmp_path / "run", frame)
    tested = dict(result["metrics"]["test"])
    # Runs are compared by what they monitor, which is the loss.
    assert tested.pop("loss") == pytest.approx(tested["nll"], abs=1e-5)
    assert result["metrics"]["val"]["loss"] == pytest.approx(result["metrics"]["val"]["nll"], abs=1e-5)
    assert {"accuracy", "nll", "log_loss", "mae", "rmse", "pinball_loss", "f1_score"} == set(tested)
    assert result["metrics"]["test"]["accuracy"] == 1.0
    assert result["metrics"]["test"]["mae"] < 4
    found = predict(tmp_path / "run", frame)
    assert found.columns[:3] == ["row_id", "case", "prediction/type+1"]
    assert (found["prediction/type+1"] != frame["type"]).all()
    for state, hours in (("a", 1.0), ("b", 24.0)):
        np.testing.assert_allclose(found.filter(frame["type"] == state)["prediction/elapsed+1"], hours, rtol=0.5)
    within = found.filter(pl.col("quantile/elapsed+1/0") < pl.col("quantile/elapsed+1/4"))
    assert len(within) == len(found)
    stored = pl.read_parquet(tmp_path / "run" / "predictions.parquet").filter(split="test").sort("row_id")
    np.testing.assert_allclose(
        found["prediction/elapsed+1"][stored["row_id"]], stored["prediction/elapsed+1"], rtol=1e-5
    )
    assert stored["target/type+1"].to_list() == [frame["type"][i + 1] for i in stored["row_id"]]
    assert {p.name for p in (tmp_path / "run" / "figures").iterdir()} >= {"confusion.png", "time.png", "coverage.png"}
    cases = frame["case"].gather(stored["row_id"]).unique()
    again = evaluate(tmp_path / "run", frame.filter(pl.col("case").is_in(cases.implode())))
    assert again == pytest.approx(tested, rel=1e-4)

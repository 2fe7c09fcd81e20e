"""Back-tests: forecasts of rolling origin as one run folder."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ColonnadeError
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.forecast_tables import BY_SERIES, BY_STEP
from colonnade.runs.predict import predict

pytestmark = pytest.mark.drawn

N, TEST, FOLDS = 120, 8, 3
QUICK = ("trainer=cpu", "threads=1", "logger=none", "trainer.max_epochs=2")


def series(n=N, seed=0):
    """Two places of a rhythm of four steps."""
    rng = np.random.default_rng(seed)
    step = np.arange(n)
    frames = [
        pl.DataFrame({"place": [place] * n, "t": step, "y": level + (step % 4) + rng.normal(0, 0.3, n)})
        for place, level in (("north", 10.0), ("south", 13.0))
    ]
    return pl.concat(frames)


def words(*more):
    data = ("data=sequences", "data.id=place", "data.time=t", "data.target=y", "data.context=12", "data.horizon=4")
    folds = ("cv=rolling_origin", f"cv.folds={FOLDS}", f"cv.test={TEST}")
    return [*data, "task=forecast", "split=horizon", "data.season=4", *folds, *more]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backtest") / "run"
    return folder, fit(compose(words("model=nlinear", "cv.hold_out=split", "split.test=16", *QUICK)), folder, series())


def folds(folder):
    return [folder / "folds" / str(k) for k in range(FOLDS)]


def test_forecasts_out_of_fold_are_those_of_models_that_did_not_see_what_came(run):
    folder, result = run
    stored = pl.read_parquet(folder / "predictions.parquet").filter(split="val")
    begins = [N - 16 - (FOLDS - k) * TEST for k in range(FOLDS)]
    per_fold = TEST - 4 + 1
    for k, begin in enumerate(begins):
        mine = stored.filter(fold=k)
        origins = [place * N + begin + i for place in range(2) for i in range(per_fold)]
        assert mine["row_id"].to_list() == origins
        split = json.loads((folds(folder)[k] / "split.json").read_text())
        assert split["ends"] == [[begin - max(begin // 10, TEST), begin, begin + TEST]] * 2
        # What came later is not there at all.
        for i in (0, per_fold - 1):
            found = predict(folds(folder)[k], series().filter(pl.col("t") < begin + i))
            for place in range(2):
                row = mine.filter(row_id=place * N + begin + i)
                for h in (1, 4):
                    assert found[place, f"prediction/y+{h}"] == pytest.approx(row[f"prediction/y+{h}"].item(), abs=1e-5)
    assert result["cv"]["trainings"][0]["rows"] == {"train": 2 * 72, "val": 2 * 8, "fold": 2 * TEST}


def test_later_steps_change_nothing_in_a_fold(run, tmp_path):
    folder, _ = run
    later = series().with_columns(y=pl.when(pl.col("t") >= N - 16 - 2 * TEST).then(1e4).otherwise("y"))
    fit(compose(words("model=nlinear", "cv.hold_out=split", "split.test=16", *QUICK)), tmp_path / "run", later)
    mine, other = (pl.read_parquet(path / "predictions.parquet").filter(fold=0) for path in (folder, tmp_path / "run"))
    assert mine.equals(other)


def test_measures_are_means_over_the_folds_and_so_are_the_tables(run):
    folder, result = run
    measured = [json.loads((fold / "result.json").read_text())["metrics"]["test"] for fold in folds(folder)]
    of_folds = [fold["mse"] for fold in measured]
    assert result["metrics"]["val"]["mse"] == pytest.approx(np.mean(of_folds))
    assert result["cv"]["std"]["mse"] == pytest.approx(np.std(of_folds, ddof=1))
    assert result["cv"]["interval"]["low"]["mse"] < np.mean(of_folds) < result["cv"]["interval"]["high"]["mse"]
    for name in (BY_STEP, BY_SERIES):
        whole = pl.read_csv(folder / name)
        each = np.stack([pl.read_csv(fold / name)["mase"].to_numpy() for fold in folds(folder)])
        np.testing.assert_allclose(whole["mase"], each.mean(0))
        np.testing.assert_allclose(whole["mase/std"], each.std(0, ddof=1))
        assert whole["folds"].to_list() == [FOLDS] * len(whole)
    assert whole["series"].to_list() == ["north", "south"]
    assert whole["windows"].to_list() == [FOLDS * 5] * 2
    assert {path.name for path in (folder / "figures").iterdir()} == {"forecasts.png", "steps.png"}


def test_steps_held_out_from_all_folds_are_forecast_by_the_mean_of_all_models(run):
    folder, result = run
    stored = pl.read_parquet(folder / "predictions.parquet").filter(split="test")
    assert len(stored) == result["cv"]["held_out"] == 2 * (16 - 4 + 1)
    tail = series().filter(pl.col("t") >= N - 16 - 12)
    assert evaluate(folder, tail) == pytest.approx(result["metrics"]["test"], rel=1e-5)
    each = np.mean([predict(fold, series())["prediction/y+2"] for fold in folds(folder)], axis=0)
    np.testing.assert_allclose(predict(folder, series())["prediction/y+2"], each, rtol=1e-6)


def test_baselines_go_through_the_same_door(run, tmp_path):
    result = fit(compose(words("model=seasonal_naive", "logger=none", "cv.window=40")), tmp_path / "run", series())
    stored = pl.read_parquet(tmp_path / "run" / "predictions.parquet").sort("row_id")
    y = series()["y"].to_numpy()
    np.testing.assert_allclose(stored["prediction/y+3"], y[stored["row_id"].to_numpy() - 2], rtol=1e-6)
    assert result["cv"]["trainings"][-1]["rows"]["train"] == 2 * 40


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["cv=kfold"], "cv: folds of forecasts are stretches of time, .*: cv=rolling_origin"),
        (["cv.test=3"], "cv.test=3 steps hold no forecast of data.horizon=4"),
        (["cv.step=2"], "cv.step=2 puts the same forecasts into two folds"),
        (["cv.folds=13", "cv.test=16"], "train has no window of 12 steps .* ahead .*: fold 0 of 13, 16 steps each"),
        (["data.horizon=null", "data.context=null", "task=regression", "split=random"], "cv: rolling origins are of"),
    ],
)
def test_what_does_not_go_together_is_told_before_data_is_read(tmp_path, more, said):
    keys = {word.partition("=")[0] for word in more} | ({"cv.test", "cv.folds"} if "cv=kfold" in more else set())
    kept = [word for word in words("model=nlinear") if word.partition("=")[0] not in keys]
    with pytest.raises(ColonnadeError, match=said):
        fit(compose([*kept, *more]), tmp_path / "run", series())

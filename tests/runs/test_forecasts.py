"""Forecasts from end to end: the run folder, the verbs over it, and what goes with what."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.evaluation.options import Uncertainty
from colonnade.runs.calibrate import calibrate
from colonnade.runs.ensemble import ensemble
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.paired import paired, read_predictions
from colonnade.runs.predict import predict

pytestmark = pytest.mark.drawn

QUICK = ("trainer=cpu", "threads=1", "logger=none", "trainer.max_epochs=8", "loader.batch_size=16", "optim.lr=0.01")
HOURS = (
    "data=sequences",
    "task=forecast",
    "split=horizon",
    "data.id=place",
    "data.time=hour",
    "data.target=[load,temp]",
    "data.season=24",
)


def series(n=240, seed=0):
    """Two places, each with a load and a temperature of a daily rhythm; hours in no order."""
    rng = np.random.default_rng(seed)
    hour = np.arange(n)
    frames = [
        pl.DataFrame(
            {
                "place": [place] * n,
                "hour": hour,
                "load": 50 + level + 10 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(size=n),
                "temp": 8 + 3 * np.cos(hour / 24 * 2 * np.pi) + rng.normal(0, 0.2, n),
                "open": np.where(hour % 24 > 8, "yes", "no"),
            }
        )
        for place, level in (("north", 0), ("south", 5))
    ]
    return pl.concat(frames).sample(fraction=1.0, shuffle=True, seed=seed)


def words(*more):
    return [*HOURS, "data.context=48", "data.horizon=6", *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecasts")
    fit(compose(words("model=dlinear", *QUICK)), folder / "run", series())
    return folder


def test_a_rhythm_is_learned(folder):
    naive = fit(compose(words("model=naive", "logger=none")), folder / "naive", series())["metrics"]["test"]
    seasonal = fit(compose(words("model=seasonal_naive", "logger=none")), folder / "seasonal", series())["metrics"][
        "test"
    ]
    learned = json.loads((folder / "run" / "result.json").read_text())["metrics"]["test"]
    assert learned["mse"] < seasonal["mse"] < naive["mse"]
    names = ("mse", "mae", "rmse", "mase", "smape")
    assert set(learned) == {f"{name}{of}" for name in names for of in ("", "/load", "/temp")}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} >= {"forecasts.png", "steps.png"}


def test_a_file_is_forecast_from_its_end(folder):
    frame = series()
    found = predict(folder / "run", frame)
    assert sorted(found["place"]) == ["north", "south"]
    assert [name for name in found.columns if name.startswith("prediction/")][:3] == [
        "prediction/load+1",
        "prediction/temp+1",
        "prediction/load+2",
    ]
    north = found.filter(place="north")
    expected = 50 + 10 * np.sin((240 + np.arange(6)) / 24 * 2 * np.pi)
    np.testing.assert_allclose([north[f"prediction/load+{h}"].item() for h in range(1, 7)], expected, atol=3)
    # What is looked back at is all that counts.
    recent = predict(folder / "run", frame.filter(pl.col("hour") >= 240 - 48))
    both = found.join(recent, on="place")
    np.testing.assert_allclose(both["prediction/temp+6"], both["prediction/temp+6_right"], rtol=1e-6)


def test_the_future_of_a_window_does_not_change_its_forecast(folder):
    """The last test window, forecast from what stands before it alone."""
    stored = pl.read_parquet(folder / "run" / "predictions.parquet").filter(split="test")
    known = predict(folder / "run", series().filter(pl.col("hour") < 240 - 6))
    last = stored.sort("row_id")[-1]
    other = series().sort("place", "hour")["place"][0]
    assert other == "north"
    # Rows of the store: the series in the order in which they begin in the file.
    place = series()["place"].unique(maintain_order=True)[1]
    for name in ("load+1", "temp+6"):
        assert last[f"prediction/{name}"].item() == pytest.approx(
            known.filter(place=place)[f"prediction/{name}"].item()
        )


def test_evaluate_measures_all_windows_of_a_file(folder):
    learned = json.loads((folder / "run" / "result.json").read_text())["metrics"]["test"]
    # The windows of the test part look back at most 48 steps.
    tail = series().filter(pl.col("hour") >= 192 - 48)
    assert evaluate(folder / "run", tail) == pytest.approx(learned, rel=1e-5)


def test_a_series_that_is_too_short_is_named(folder):
    with pytest.raises(
        DataError, match=r"2 series \(south, north\) have fewer steps than a forecast looks back at: 48"
    ):
        predict(folder / "run", series().filter(pl.col("hour") < 40))


def test_series_with_gaps_of_all_sizes_and_lengths(tmp_path, caplog):
    """Loads of a few and of thousands, with missing hours and values; a place that was never seen has a single hour."""
    rows = series().filter(pl.int_range(pl.len()).over("place") % 17 != 5)
    rows = rows.with_columns(
        load=pl.when(pl.col("hour") % 31 != 7).then(pl.col("load") * pl.when(place="south").then(1000).otherwise(1))
    )
    rows.write_csv(tmp_path / "loads.csv", null_value="NA")
    more = ("model=nlinear", "model.scaling=window", "data.fill=forward", "data.short=repeat", *QUICK)
    with caplog.at_level("INFO"):
        result = fit(compose(words(*more, f"data.path={tmp_path}/loads.csv")), tmp_path / "run")
    assert result["status"] == "finished"
    assert "missing steps of 1 were put in (data.fill=forward)" in caplog.text
    found = predict(
        tmp_path / "run", pl.concat([rows.sort("place", "hour"), rows[:1].with_columns(place=pl.lit("new"))])
    )
    level = {place: found.filter(place=place)["prediction/load+1"].item() for place in ("north", "south", "new")}
    expected = 50 + 10 * np.sin(240 / 24 * 2 * np.pi)
    assert level["north"] == pytest.approx(expected, abs=4)
    assert level["south"] == pytest.approx(1000 * (expected + 5), abs=4000)
    assert np.isfinite(level["new"])
    measured = evaluate(tmp_path / "run", rows)
    assert all(np.isfinite(value) for value in measured.values())


def test_a_network_of_whole_series_forecasts_too(folder):
    small = ("model=gru", "model.backbone.d_hidden=8", "model.backbone.n_layers=1", *QUICK)
    result = fit(compose(words(*small, "trainer.max_epochs=1")), folder / "gru", series())
    assert result["status"] == "finished"


def test_errors_are_told_by_step_and_by_series(folder):
    learned = json.loads((folder / "run" / "result.json").read_text())["metrics"]["test"]
    stored = pl.read_parquet(folder / "run" / "predictions.parquet").filter(split="test")
    by_step, by_series = (pl.read_csv(folder / "run" / f"by_{what}.csv") for what in ("step", "series"))
    assert by_step.select("step", "value").rows()[:3] == [(1, "load"), (1, "temp"), (2, "load")]
    assert by_step["mse"].mean() == pytest.approx(learned["mse"])
    error = (stored["prediction/temp+6"] - stored["target/temp+6"]).abs()
    scale = json.loads((folder / "run" / "spec.json").read_text())["target_scale"][1]
    assert by_step.row(-1, named=True)["mae"] == pytest.approx(error.mean() / scale)
    assert sorted(by_series["series"].unique()) == ["north", "south"]
    assert by_series["windows"].unique().to_list() == [stored.height // 2]
    assert by_series.filter(value="load")["mae"].mean() == pytest.approx(learned["mae/load"])
    # In units of its own naive error.
    north = series().filter(pl.col("place") == "north").sort("hour")["load"].to_numpy()[:168]
    told = by_series.filter(series="north", value="load").row(0, named=True)
    naive = np.abs(north[24:] - north[:-24]).mean()
    load = json.loads((folder / "run" / "spec.json").read_text())["target_scale"][0]
    assert told["mase"] == pytest.approx(told["mae"] * load / naive)


def test_series_with_gaps_are_told_apart(folder):
    """Values of a gap count for nothing; windows that have others ahead are measured by those."""
    gap = pl.col("place").eq("north") & pl.col("hour").is_between(212, 216)
    frame = series().with_columns(pl.when(~gap).then("load").alias("load"))
    fit(compose(words("model=theta", "logger=none", "data.fill=forward")), folder / "gaps", frame)
    by_series = pl.read_csv(folder / "gaps" / "by_series.csv").filter(value="load")
    # 43 windows of 48 steps, of which none misses all six steps ahead.
    assert dict(by_series.select("series", "windows").iter_rows()) == {"north": 43, "south": 43}
    stored = pl.read_parquet(folder / "gaps" / "predictions.parquet").filter(split="test").sort("row_id")
    first = by_series["series"][0]
    n = by_series["windows"][0]
    assert stored.height == 86
    assert sum(stored[f"target/load+{h}"].null_count() for h in range(1, 7)) == 5 * 6
    scale = json.loads((folder / "gaps" / "spec.json").read_text())["target_scale"][0]
    every = [(stored[f"prediction/load+{h}"] - stored[f"target/load+{h}"]).abs()[:n] for h in range(1, 7)]
    assert by_series.filter(series=first)["mae"].item() == pytest.approx(pl.concat(every).mean() / scale)
    assert all(np.isfinite(value) for value in evaluate(folder / "gaps", frame).values())


@pytest.mark.parametrize("model", ["dlinear", "ets"])
def test_quantiles_cover_what_comes(folder, model):
    run = folder / f"quantile_{model}"
    words_of = words(f"model={model}", *(QUICK if model == "dlinear" else ("logger=none", "model.trend=none")))
    words_of = [word for word in words_of if not word.startswith("task=")]
    result = fit(compose([*words_of, "task=forecast_quantile"]), run, series())
    assert result["metrics"]["test"]["coverage/0.9"] == pytest.approx(0.9, abs=0.12)
    # There is nothing but the rhythm and noise, of which the naive forecast has twice as much.
    assert result["metrics"]["test"]["mase"] < 1.1
    found = predict(run, series())
    levels = [found[f"quantile/load+3/{q}"].to_numpy() for q in range(5)]
    assert (np.diff(levels, axis=0) >= 0).all()
    np.testing.assert_array_equal(levels[2], found["prediction/load+3"])
    assert evaluate(run, series().filter(pl.col("hour") >= 192 - 48)) == pytest.approx(
        result["metrics"]["test"], rel=1e-4
    )
    assert {path.name for path in (run / "figures").iterdir()} >= {"forecasts.png", "coverage_steps.png"}


def test_intervals_by_step_ahead_are_found_on_validation_windows(folder):
    """The values are far from each other in units, and so are their thresholds; those of far steps are wider."""
    sure = ("uncertainty=auto", "uncertainty.level=0.8", "uncertainty.scaling=none")
    words_of = words("model=naive", "logger=none", "split.val=0.3", *sure)
    result = fit(compose(words_of), folder / "conformal", series())
    stored = pl.read_parquet(folder / "conformal" / "predictions.parquet")
    val = stored.filter(split="val")
    told = json.loads((folder / "conformal" / "calibration.json").read_text())["conformal"]
    assert told["method"] == "absolute"
    # Two series of 72 steps, from each of which 67 windows begin; 24 of them share no step.
    assert val.height == 2 * 67
    place = -(-val.height * 20 // 24)
    for name in ("load+1", "load+6", "temp+1"):
        errors = np.sort((val[f"target/{name}"] - val[f"prediction/{name}"]).abs().to_numpy())
        half = (val[f"upper/{name}"] - val[f"lower/{name}"]).to_numpy() / 2
        np.testing.assert_allclose(half, errors[place - 1])
    wide = {name: val[f"upper/{name}"][0] - val[f"lower/{name}"][0] for name in ("load+1", "load+6", "temp+6")}
    assert wide["load+6"] > 2 * wide["load+1"]
    assert wide["load+6"] > 2 * wide["temp+6"]
    assert result["metrics"]["test"]["conformal_coverage"] == pytest.approx(0.8, abs=0.12)
    assert {"conformal_width/load", "conformal_width/temp"} <= set(result["metrics"]["test"])
    assert "lower/load+1" in predict(folder / "conformal", series()).columns


def test_counts_have_a_distribution_of_counts(folder):
    def counts(frame):
        return frame.with_columns(pl.col("load", "temp").round().cast(pl.Int64))

    task = ["task=forecast_distribution", "task.distribution=negative_binomial"]
    kept = [word for word in words("model=dlinear", *QUICK, "trainer.max_epochs=2") if not word.startswith("task=")]
    result = fit(compose([*kept, *task]), folder / "counts", counts(series()))
    assert result["status"] == "finished"
    found = predict(folder / "counts", counts(series()))["quantile/load+1/4"].to_numpy()
    np.testing.assert_array_equal(found, found.round())
    with pytest.raises(ConfigError, match="which not all steps of load, temp are: task.distribution=gaussian"):
        fit(compose([*kept, *task]), folder / "none", series())


def test_a_target_that_is_missing_in_new_data_is_not_the_median(folder):
    late = pl.col("hour").is_between(230, 231) & (pl.col("place") == "south")
    gaps = series().with_columns(pl.when(~late).then("load").alias("load"))
    for verb in (predict, evaluate):
        with pytest.raises(DataError, match=r"'load' \(data.target\) is missing in 1 series \(south\): mend .*fill=f"):
            verb(folder / "run", gaps.sort("place"))
    early = pl.col("hour") == 3
    told = series().with_columns(pl.when(~early).then("load").alias("load"))
    assert predict(folder / "run", told).equals(predict(folder / "run", series()))


def test_an_ensemble_of_forecasts_tells_its_disagreement_when_calibrated(folder):
    data = series()
    path = folder / "series.csv"
    data.write_csv(path)
    runs = []
    for model in ("naive", "seasonal_naive"):
        runs.append(folder / f"member_{model}")
        fit(compose(words(f"model={model}", "logger=none", f"data.path={path}")), runs[-1])
    found, text = paired(*map(read_predictions, runs), "val/mae")
    # Of each place 48 steps test: 43 windows, in 8 blocks of which each shares steps with its first.
    assert found.n == 86
    assert "86 test windows in 16 blocks of those that share steps" in text
    ensemble(runs, folder / "both", method="mean")
    options = Uncertainty(level=0.5)
    result = calibrate(folder / "both", folder / "both_calibrated", uncertainty=options)
    assert result["metrics"]["val"]["conformal_coverage"] >= 0.5
    stored = pl.read_parquet(folder / "both_calibrated" / "predictions.parquet").filter(split="val")
    a, b = (pl.read_parquet(run / "predictions.parquet").filter(split="val")["prediction/load+1"] for run in runs)
    apart = (a - b).abs()
    np.testing.assert_allclose(stored["disagreement/load+1"], apart / 2, rtol=1e-4, atol=1e-5)


def test_too_few_windows_to_calibrate_on_are_told_before_training(tmp_path):
    with pytest.raises(
        DataError, match=r"takes 9 rows at least, and there are 2 to calibrate on \(8 windows, .*split.v"
    ):
        fit(compose(words("model=nlinear", *QUICK, "uncertainty=auto", "split.val=9")), tmp_path / "run", series())
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    # Windows with a gap are none: each of a series holds one.
    gaps = series().with_columns(load=pl.when(pl.col("hour") % 6 > 0).then("load"))
    with pytest.raises(DataError, match="and there are 0 to calibrate on"):
        fit(compose(words("model=nlinear", *QUICK, "uncertainty=auto", "data.fill=forward")), tmp_path / "gaps", gaps)
    assert not (tmp_path / "gaps" / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["task=regression"], "so that the target is forecast: task=forecast, forecast_quantile or"),
        (["model=ets", "data.context=40"], "begins its states with 48 steps .* and data.context=40 is less"),
        (["model=naive", "task=forecast_distribution", "task.distribution=student_t"], "baselines forecast normal"),
        (["split=random"], "split: series are divided by time within each of them to be forecast: split=horizon"),
        (["explain=auto", "explain.method=tree_shap"], "explain.method=tree_shap does not explain NLinear; use integ"),
        (["model=patchtst", "data.context=8"], "patch=16 is longer than data.context=8"),
        (["model=seasonal_naive", "data.season=1"], "a seasonal forecast needs a season: data.season"),
        (["model=seasonal_naive", "data.context=8"], "model.period=24 is more than data.context=8 looks back"),
        (["data.horizon=0"], "data: horizon=0 must be at least 1"),
        (["data.context=-3"], "data: context=-3 must be at least 1"),
        (["data.horizon=null"], "horizon=None and context=48: a forecast needs both"),
    ],
)
def test_what_does_not_go_together_is_told_before_data_is_read(tmp_path, more, said):
    keys = {word.partition("=")[0] for word in more}
    kept = [word for word in words("model=nlinear") if word.partition("=")[0] not in keys]
    with pytest.raises(ConfigError, match=said):
        fit(compose([*kept, *more]), tmp_path / "run", series())


@pytest.mark.slow
@pytest.mark.parametrize(("model", "mse"), [("nlinear", 0.374), ("dlinear", 0.375)])
def test_etth1_comes_to_the_published_figures(model, mse, real_data, tmp_path):
    result = fit(compose([f"experiment=etth1/{model}_96", "logger=none"]), tmp_path / "run")
    assert result["metrics"]["test"]["mse"] < mse + 0.010


def test_evaluate_says_which_windows_it_measures_and_counts_unseen_steps_once(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "hours.csv"
    series().write_csv(path)
    fit(compose(words("model=naive", "logger=none", f"data.path={path}", "data.columns.open=categorical")), tmp_path)
    frame = series().filter(pl.col("hour") >= 100)
    evaluate(tmp_path, frame.with_columns(open=pl.when(pl.col("hour") == 150).then(pl.lit("half")).otherwise("open")))
    # Two places, of which one step each is strange; the last six of each are in no window's past.
    assert "2 of 268 rows hold a category unseen in training" in caplog.text
    assert f"measured: all {2 * (140 - 48 - 6 + 1)} windows of frame" in caplog.text
    evaluate(tmp_path, path)
    assert "hours.csv is what the run was trained on: its train windows are among the" in caplog.text

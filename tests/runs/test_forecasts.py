"""Forecasts from end to end: the run folder, the verbs over it, and what goes with what."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict

QUICK = ("trainer=cpu", "threads=1", "logger=none", "trainer.max_epochs=8", "loader.batch_size=16", "optim.lr=0.01")
HOURS = (
    "data=sequences",
    "task=forecast",
    "split=horizon",
    "data.id=place",
    "data.time=hour",
    "data.target=[load,temp]",
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
    import json

    learned = json.loads((folder / "run" / "result.json").read_text())["metrics"]["test"]
    assert learned["mse"] < seasonal["mse"] < naive["mse"]
    assert set(learned) == {"mse", "mse/load", "mse/temp", "mae", "mae/load", "mae/temp"}
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
    import json

    learned = json.loads((folder / "run" / "result.json").read_text())["metrics"]["test"]
    # The windows of the test part look back at most 48 steps.
    tail = series().filter(pl.col("hour") >= 192 - 48)
    assert evaluate(folder / "run", tail) == pytest.approx(learned, rel=1e-5)


def test_a_series_that_is_too_short_is_named(folder):
    with pytest.raises(
        DataError, match=r"2 series \(from 0: 0, 1\) have fewer steps than a forecast looks back at: 48"
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
    assert "windows would forecast a missing value: left out" in caplog.text
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


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["task=regression"], "task: data.horizon is set, so that the target is forecast: task=forecast"),
        (["split=random"], "split: series are divided by time within each of them to be forecast: split=horizon"),
        (["cv=kfold"], "cv: forecasts are not cross-validated yet: cv=none"),
        (["export=onnx"], "networks of sequences are not exported yet"),
        (["uncertainty=auto"], "uncertainty: windows of a forecast overlap and follow each other"),
        (["explain=auto"], "models of sequences are not explained yet"),
        (["model=patchtst", "data.context=8"], "patch=16 is longer than data.context=8"),
        (["model=seasonal_naive", "data.context=8"], "model.period=24 is more than data.context=8 looks back"),
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

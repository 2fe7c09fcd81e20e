"""What is done with forecasts beside measuring them: intervals for series of any size, and a refit on all steps."""

from __future__ import annotations

import json
import logging

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.data.sequences.horizon import Borders
from colonnade.evaluation.options import Uncertainty
from colonnade.runs.anomalies import anomalies
from colonnade.runs.calibrate import calibrate
from colonnade.runs.evaluate import evaluate
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict
from colonnade.runs.predict_onnx import predict_onnx
from colonnade.tuning.refit import configuration, refit

from .test_forecasts import QUICK, series, words


def test_series_of_any_size_have_intervals_of_their_size(tmp_path):
    """South is a thousand times north, so are its intervals: in the run, in a run that is calibrated afterwards, in the
    graph, and for a series that was never seen."""
    load = pl.col("load", "temp") * pl.when(pl.col("place") == "south").then(1000.0).otherwise(1.0)
    data = series().with_columns(load)
    data.write_csv(tmp_path / "data.csv")
    asked = ("model=naive", "logger=none", "split.val=0.3", f"data.path={tmp_path / 'data.csv'}")
    fit(compose(words(*asked, "uncertainty=auto", "export=onnx")), tmp_path / "run")
    stored = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    by_series = pl.read_csv(tmp_path / "run" / "by_series.csv")
    assert by_series["conformal_coverage"].to_list() == pytest.approx([0.9] * 4, abs=0.12)
    width = dict(zip(by_series["series"] + by_series["value"], by_series["conformal_width"]))
    assert 300 < width["southload"] / width["northload"] < 3000
    told = json.loads((tmp_path / "run" / "calibration.json").read_text())["conformal"]
    assert told["scaling"] == "window"
    fit(compose(words(*asked)), tmp_path / "plain")
    calibrate(tmp_path / "plain", tmp_path / "after", uncertainty=Uncertainty())
    after = pl.read_parquet(tmp_path / "after" / "predictions.parquet")
    # The small series is predicted in float32 of the spread of the large one.
    ends, of_small = ["lower/load+1", "upper/temp+6"], {"rtol": 1e-3}
    for name in ends:
        np.testing.assert_allclose(after[name], stored[name], **of_small)
    unseen = data.with_columns(place=pl.lit("west ") + "of " + pl.col("place"), load=pl.col("load") * 10)
    found, known = predict(tmp_path / "run", unseen), predict(tmp_path / "run", data)
    for name in ("lower/load+1", "upper/load+6"):
        np.testing.assert_allclose(found[name], known[name] * 10, **of_small)
    graph = predict_onnx(tmp_path / "run" / "model.onnx", tmp_path / "data.csv")
    for name in ends:
        np.testing.assert_allclose(graph[name], known[name], **of_small)


@pytest.mark.parametrize("model", ["dlinear", "seasonal_naive"])
def test_a_refit_learns_from_all_steps_and_measures_none(model, tmp_path, caplog):
    """Also from a series that has gone on since."""
    run, quick = tmp_path / "run", QUICK if model == "dlinear" else ("logger=none",)
    fit(compose(words(f"model={model}", *quick)), run, series())
    later = series(250)
    with caplog.at_level(logging.INFO):
        result = refit(run, tmp_path / "again", frame=later)
    assert "on all steps up to the last of each series, 144 of them for validation and test before" in caplog.text
    assert result["metrics"] == {"val": {}, "test": {}}
    assert result["refit"]["rows"] == {"train": 336, "val": 48, "test": 96}
    borders = Borders.load(tmp_path / "again" / "split.json")
    assert borders.counts() == {"train": 500, "val": 0, "test": 0}
    mean = json.loads((tmp_path / "again" / "spec.json").read_text())["target_mean"][:2]
    np.testing.assert_allclose(mean, later.select("load", "temp").mean().row(0))
    found = predict(tmp_path / "again", later)
    assert found.height == 2
    truth = series(260).filter(pl.col("hour") == 250).sort("place", descending=True)
    assert found["prediction/temp+1"].to_list() == pytest.approx(truth["temp"].to_list(), abs=2)
    assert len(evaluate(tmp_path / "again", series(260))) > 0
    # Steps that came since calibrate it; without any it has none.
    with pytest.raises(ConfigError, match="has no validation rows to calibrate on"):
        calibrate(tmp_path / "again", tmp_path / "sure", uncertainty=Uncertainty(level=0.5))
    calibrate(tmp_path / "again", tmp_path / "sure", uncertainty=Uncertainty(level=0.5), data=series(400))
    assert "lower/load+1" in predict(tmp_path / "sure", later).columns
    with pytest.raises(DataError, match="has no predictions of validation windows"):
        anomalies(tmp_path / "again", later)
    with pytest.raises(ConfigError, match="is a refit: all that may"):
        configuration(tmp_path / "again")
    with pytest.raises(ConfigError, match="split: a refit of forecasts trains on all steps"):
        configuration(run, ["split.val=0.3"])

"""Anomalies: scores and p-values against their formulas, and that what was put in is found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colonnade.cli.commands import main
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.runs.anomalies import NORMAL, anomalies
from colonnade.runs.fit import fit

N = 400


def series(seed: int, *, n: int = N, broken: tuple[int, ...] = ()) -> pl.DataFrame:
    """A daily rhythm with noise; some hours are far off."""
    rng = np.random.default_rng(seed)
    load = 50 + 10 * np.sin(np.arange(n) / 24 * 2 * np.pi) + rng.normal(size=n)
    load[list(broken)] += 15
    return pl.DataFrame({"hour": np.arange(n), "load": load, "site": ["a"] * n})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    words = ["data=sequences", "task=forecast", "split=horizon", "data.id=site", "data.time=hour", "data.target=load"]
    words += [
        "data.context=24",
        "data.horizon=4",
        "model=seasonal_naive",
        "model.period=24",
        "logger=none",
        "threads=1",
    ]
    folder = tmp_path_factory.mktemp("anomalies") / "run"
    fit(compose(words), folder, series(0, n=1600))
    return folder


def test_scores_and_p_values_are_those_of_the_formulas(run):
    found = anomalies(run, series(1))
    known = pl.read_parquet(run / "predictions.parquet").filter(split="val")
    errors = (known["target/load+1"] - known["prediction/load+1"]).to_numpy()
    scale = NORMAL * np.median(np.abs(errors - np.median(errors)))
    load = series(1)["load"].to_numpy()
    # The same hour of the day before; a window needs a day before it and four hours from it on.
    step = np.arange(24, N - 3)
    score = np.abs(load[step] - load[step - 24]) / scale
    assert found["row_id"].to_list() == step.tolist()
    np.testing.assert_allclose(found["prediction"], load[step - 24], rtol=1e-6)
    np.testing.assert_allclose(found["score"], score, atol=2e-6)
    reference = np.abs(errors) / scale
    p_value = [(1 + (reference >= one).sum()) / (len(reference) + 1) for one in found["score"]]
    np.testing.assert_allclose(found["p_value"], p_value)
    assert found["anomaly"].to_list() == [p <= 0.01 for p in p_value]


def test_what_is_broken_is_found(run):
    found = anomalies(run, series(2, broken=(120, 250)), alpha=0.02)
    first = found.sort("score", descending=True).head(4)["row_id"].to_list()
    # A naive forecast repeats what was broken a day later.
    assert set(first) == {120, 144, 250, 274}
    assert found.filter(pl.col("row_id").is_in([120, 250]))["anomaly"].all()
    assert found["site"].unique().to_list() == ["a"]


def test_the_verb_writes_scores_and_a_figure(run, tmp_path, capsys):
    series(2, broken=(120,)).write_csv(tmp_path / "new.csv")
    words = [f"run={run}", f"data.path={tmp_path / 'new.csv'}", f"out={tmp_path / 's.csv'}", "alpha=0.02"]
    assert main(["anomalies", *words, f"figure={tmp_path / 'f.png'}"]) == 0
    scores = pl.read_csv(tmp_path / "s.csv")
    counted = scores["anomaly"].sum()
    assert f"373 steps, {counted} anomalies (7 by chance): " in capsys.readouterr().out
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["anomalies", *words[:3], "alpha=often"]) == 2
    assert "alpha=often: a number is expected" in capsys.readouterr().err


def test_what_cannot_be_is_refused(run, tmp_path):
    with pytest.raises(
        ConfigError, match=r"alpha=0.0001: a share between 0.0\d+, the least that \d+ validation windows"
    ):
        anomalies(run, series(1), alpha=0.0001)
    table = pl.DataFrame({"x": np.arange(80.0), "y": ["a", "b"] * 40})
    fit(compose(["data.target=y", "model=dummy", "logger=none"]), tmp_path / "table", table)
    with pytest.raises(ConfigError, match="forecasts nothing .task=binary.: an anomaly is unlike its forecast"):
        anomalies(tmp_path / "table", table)

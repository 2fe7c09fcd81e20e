"""Explained runs on series: the channel and the time that are known to matter, and forecasts in closed form."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.explain.options import Explain
from colonnade.runs.explain import explain
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load_run

from . import test_forecasts as forecasts

N, T = 240, 18
CAUSE, FROM = "b", 12
FEW = Explain(rows=40, background=32, samples=4, steps=16)


def frame(n=N, seed=0):
    """Series of three channels and a category; what is to be told is the mean of one of them in its last third."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, n, T))
    truth = values[1, :, FROM:].mean(1) > 0
    return pl.DataFrame(
        {
            "run": np.repeat(np.arange(n), T),
            "t": np.tile(np.arange(T), n),
            **{name: values[i].ravel() for i, name in enumerate("abc")},
            "mode": rng.choice(["idle", "busy"], n * T).tolist(),
            "high": np.repeat(np.where(truth, "yes", "no"), T).tolist(),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained_series")
    frame().write_csv(folder / "steps.csv")
    words = (
        "model=gru",
        "model.backbone.d_hidden=16",
        "model.backbone.n_layers=1",
        "model.backbone.pooling=last",
        "model.backbone.dropout=0.0",
        "optim.lr=0.01",
        "trainer=cpu",
        "threads=1",
        "trainer.max_epochs=12",
        "data=sequences",
        f"data.path={folder / 'steps.csv'}",
        "data.id=run",
        "data.time=t",
        "data.target=high",
        "explain=auto",
        "explain.rows=30",
    )
    fit(compose(words), folder / "run")
    return folder / "run"


def test_the_folder_after_a_training_that_explains(run):
    """Before any other test explains it again."""
    table = pl.read_parquet(run / "attributions.parquet")
    assert table.columns == ["row_id", "split", "target", "score", "base", "a", "b", "c", "mode"]
    assert table.height == 30
    assert table["a"].list.len().unique().to_list() == [T]
    total = table.select(pl.sum_horizontal(pl.col("a", "b", "c", "mode").list.sum())).to_series()
    np.testing.assert_allclose(table["base"] + total, table["score"], atol=2e-2)
    both = table.join(pl.read_parquet(run / "predictions.parquet"), on=["row_id", "split"])
    assert both.height == 30
    probability = both["probability/yes"].cast(pl.Float64)
    np.testing.assert_allclose(both["score"], np.log(probability / (1 - probability)), atol=1e-3)
    names = ("heatmap", "heatmap_low", "heatmap_middle", "heatmap_high", "importance", "deletion")
    RunFolder(run).verify("attributions.parquet", "explanation.json", *(f"figures/{name}.png" for name in names))
    assert not (run / "figures" / "dependence.png").exists()


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("colonnade.report.explanation.draw", lambda *of, **how: {})


@pytest.mark.parametrize("method", ["integrated_gradients", "shapley"])
def test_the_channel_and_the_time_that_matter_are_found(run, undrawn, method):
    options = Explain(**{**vars(FEW), "method": method, "rows": 24})
    found = explain(run, options=options)
    (view,) = found.views
    assert found.columns[int(view.importance.mean.argmax())] == CAUSE
    share = view.over_time.magnitude / view.over_time.magnitude.sum()
    cause = share[:, found.columns.index(CAUSE)]
    assert cause[FROM:].sum() > 0.4, "in a twelfth of the map"
    assert cause[FROM:].sum() > 2 * cause[:FROM].sum()
    assert view.deletion.ratio > 1.3
    assert np.abs(view.delta).max() < (1e-6 if method == "shapley" else 0.05)
    told = json.loads((run / "explanation.json").read_text())
    assert (told["dependence"], told["targets"][0]["interactions"]) == ([], [])
    assert told["targets"][0]["over_time"]["axis"] == "step"
    assert len(told["targets"][0]["over_time"]["magnitude"][CAUSE]) == T


def test_series_of_a_file(run, undrawn):
    new = frame(12, seed=5).filter((pl.col("t") < 15) | (pl.col("run") % 2 == 0)).drop("high")
    found = explain(run, new, background=frame(20, seed=6), options=FEW)
    assert pl.read_parquet(run / "attributions.parquet")["a"].list.len().to_list() == [T, 15] * 6
    assert found.views[0].over_time.axis == "share of the series"


def test_what_explains_no_series_says_so(run):
    with pytest.raises(ConfigError, match="method=masks does not explain Recurrent; use integrated_gradients or shap"):
        explain(run, options=Explain(method="masks"))


def test_forecasts_in_closed_form(tmp_path, undrawn):
    cfg = compose(forecasts.words("model=nlinear", *forecasts.QUICK, "trainer.max_epochs=2"))
    fit(cfg, tmp_path / "run", forecasts.series())
    data = forecasts.series().sort("place", "hour")
    found = explain(tmp_path / "run", data, background=data, options=Explain(rows=9, background=300, steps=3))
    # Four parts of six steps, of two values each.
    assert [view.target for view in found.views][:2] == ["load, steps 1 to 2", "load, step 3"]
    assert len(found.views) == 8
    loaded = load_run(tmp_path / "run")
    linear = loaded.predictor.network.backbone.linear
    table = pl.read_parquet(tmp_path / "run" / "attributions.parquet").filter(target="temp, steps 1 to 2")
    assert table.height == 2, "the end of each series"
    last = data.filter(pl.col("hour") >= 240 - 48)
    coefficient = linear.weight.detach().double().numpy()[:2].mean(0)
    coefficient[-1] += 1 - coefficient.sum()
    shift = loaded.spec.target_scale[1] * linear.bias.detach().double().numpy()[:2].mean()
    for place, values, base in zip(("north", "south"), table["temp"], table["base"]):
        past = last.filter(place=place)["temp"].to_numpy()
        # The base is the forecast of a flat series: its level, and what is added to everything.
        np.testing.assert_allclose(values.to_numpy(), coefficient * (past - (base - shift)), atol=1e-5)
    assert not np.any(table["load"].to_list()), "each value is forecast from its own past"
    assert not np.any(table["open"].to_list())
    np.testing.assert_allclose(table["base"], data["temp"].mean(), atol=0.2)


def test_windows_of_a_run_are_called_by_their_first_step_ahead(tmp_path, undrawn):
    series = forecasts.series().sort("place", "hour")
    series.write_parquet(tmp_path / "hours.parquet")
    fit(
        compose(forecasts.words("model=naive", f"data.path={tmp_path / 'hours.parquet'}", "logger=none")),
        tmp_path / "run",
    )
    explain(tmp_path / "run", options=FEW)
    table = pl.read_parquet(tmp_path / "run" / "attributions.parquet").filter(target="load, steps 1 to 2")
    assert table.height == 40
    assert set(table["split"]) == {"test"}
    expected = series["load"].to_numpy()[table["row_id"].to_numpy() - 1]
    np.testing.assert_allclose(table["score"], expected, rtol=1e-5)
    # The last value is all that a naive forecast looks at, and so all is in the last part of its series.
    of = np.stack(table["load"].to_numpy())
    np.testing.assert_allclose(of[:, :42], 0, atol=1e-9)
    np.testing.assert_allclose(of.sum(1) + table["base"].to_numpy(), expected, rtol=1e-5)

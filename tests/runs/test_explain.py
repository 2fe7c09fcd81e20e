"""Explained runs: the columns that are known to matter, what lies in the folder, and refusals."""

import json

import numpy as np
import polars as pl
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.data.simulate import NOISE, ChurnSim
from colonnade.explain.options import Explain
from colonnade.runs.explain import explain
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load

pytestmark = pytest.mark.rendered

QUICK = ("threads=1", "trainer=cpu")
CHURN = ("data=churn_sim", "data.source.n_rows=4000", *QUICK)
FEW = Explain(rows=100, background=64, samples=8, top=3)
MODELS = {
    "linear": ("trainer.max_epochs=6", "explain=auto", "explain.rows=60"),
    "mlp": ("trainer.max_epochs=5", "logger=none"),
    "lightgbm": ("model.n_estimators=60", "logger=none"),
    "made": (
        "model=linear",
        "trainer.max_epochs=6",
        "logger=none",
        "pipeline.expressions.paid=tenure * monthly_charge",
    ),
}
# The three that weigh most; what no model can miss.
LEADING = {"tenure", "contract", "support_calls"}


# Drawing takes longer than all the rest.
FIGURES = ("colonnade.report.figures.draw", "colonnade.report.explanation.draw")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each model on customers whose causes are known; figures of the first alone."""
    folder = tmp_path_factory.mktemp("churn")
    with pytest.MonkeyPatch.context() as patch:
        for model, words in MODELS.items():
            chosen = [] if words[0].startswith("model=") else [f"model={model}"]
            fit(compose([*chosen, *CHURN, *words]), folder / model)
            for name in FIGURES:
                patch.setattr(name, lambda *of, **how: {})
    return folder


def contributions(folder):
    return pl.read_parquet(folder / "attributions.parquet")


@pytest.fixture
def undrawn(monkeypatch):
    for name in FIGURES:
        monkeypatch.setattr(name, lambda *of, **how: {})


def test_the_folder_after_a_training_that_explains(runs):
    """Before any other test explains it again."""
    folder = RunFolder(runs / "linear")
    table = contributions(folder.path)
    assert table.columns[:5] == ["row_id", "split", "target", "score", "base"]
    assert set(table.columns[5:]) == {
        c for c in ChurnSim(n_rows=100).read().columns if c not in ("customer_id", "churned")
    }
    measured = pl.read_parquet(folder / "predictions.parquet")
    both = table.join(measured, on=["row_id", "split"])
    assert both.height == table.height == 60
    probability = both["probability/yes"].cast(pl.Float64)
    np.testing.assert_allclose(both["score"], np.log(probability / (1 - probability)), atol=1e-4)
    np.testing.assert_allclose(
        both["base"] + both.select(pl.sum_horizontal(table.columns[5:])).to_series(), both["score"], atol=1e-4
    )
    assert set(both["target"]) == {"yes"}
    names = (
        "attributions.parquet",
        "explanation.json",
        *(f"figures/{name}.png" for name in ("importance", "dependence")),
    )
    folder.verify(*names, "network.safetensors", "predictions.parquet")
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    pictures = {"importance", "deletion", "dependence", "waterfall_low", "waterfall_middle", "waterfall_high"}
    assert set(events.Tags()["images"]) >= {*pictures, "confusion"}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("linear", "integrated_gradients"),
        ("mlp", "integrated_gradients"),
        ("mlp", "shapley"),
        ("lightgbm", "tree_shap"),
        ("made", "auto"),
    ],
)
def test_known_causes_rank_on_top_and_noise_at_the_bottom(runs, model, method):
    """By each kind of method; every model, and every cause: ``test_causes.py``."""
    found = explain(runs / model, options=Explain(**{**vars(FEW), "method": method}))
    assert found.method == (method if method != "auto" else "shapley")
    told = json.loads((runs / model / "explanation.json").read_text())["targets"][0]
    order = [entry["column"] for entry in told["importance"]]
    size = {entry["column"]: entry["mean"] for entry in told["importance"]}
    assert set(order[:5]) >= LEADING, order
    # Text of hundreds of levels is learned by heart from so few rows; the other columns of noise are not.
    short = set(NOISE) - {"last_note"}
    assert set(order[-6:]) >= short, order
    assert max(size[name] for name in short) < min(size[name] for name in LEADING) / 2
    assert told["deletion"]["low"] > 1.5
    assert told["convergence"]["share"] < 0.02


@pytest.mark.usefixtures("undrawn")
def test_rows_of_a_file_and_other_rows_to_compare_with(runs, tmp_path):
    frame = ChurnSim(n_rows=100, seed=5).read()
    frame.head(3).drop("churned").write_csv(tmp_path / "new.csv")
    found = explain(runs / "lightgbm", tmp_path / "new.csv", background=frame, options=FEW)
    assert found.n_background == 64
    table = contributions(runs / "lightgbm")
    assert table["split"].to_list() == ["new"] * 3
    assert table["row_id"].to_list() == [0, 1, 2]
    explain(runs / "lightgbm", frame.head(2), options=FEW)
    assert contributions(runs / "lightgbm").height == 2


@pytest.mark.usefixtures("undrawn")
def test_every_target_is_explained(tmp_path):
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 200))
    frame = pl.DataFrame({"a": a, "base": b, "c": c, "one": 3 * a, "two": 50 - 20 * b})
    words = ["model=linear_sklearn", "data.target=[one,two]", "data.waive=[a,base]", "logger=none", *QUICK]
    fit(compose([*words, "explain=auto", "explain.rows=4", "explain.samples=2"]), tmp_path / "run", frame)
    assert contributions(tmp_path / "run").height == 2 * 4
    with pytest.raises(DataError, match="cannot be read again .*: name files with such rows, background=rows.csv"):
        explain(tmp_path / "run", frame, options=FEW)
    found = explain(tmp_path / "run", frame.drop("one", "two"), background=frame, options=FEW)
    assert (found.method, [view.target for view in found.views]) == ("shapley", ["one", "two"])
    table = contributions(tmp_path / "run")
    one, two = (table.filter(pl.col("target") == name) for name in ("one", "two"))
    # Weight times distance from the mean of the rows that are walked from.
    assert np.ptp(one["a"].to_numpy() - 3 * a[one["row_id"]]) < 0.3
    # A column that has the name of another one of the table.
    assert np.ptp(two["column/base"].to_numpy() + 20 * b[two["row_id"]]) < 2
    assert np.abs(two["a"].to_numpy()).max() < 0.2


@pytest.mark.usefixtures("undrawn")
def test_the_predicted_class_is_explained(tmp_path):
    fit(compose(["model=linear_sklearn", "data=wine", "logger=none", *QUICK]), tmp_path / "run")
    found = explain(tmp_path / "run", options=FEW)
    assert [view.target for view in found.views] == ["predicted class"]
    predicted = pl.read_parquet(tmp_path / "run" / "predictions.parquet").filter(pl.col("split") == "test")
    both = contributions(tmp_path / "run").join(predicted, on="row_id", suffix="_true")
    assert both["target"].to_list() == both["prediction"].to_list()
    assert found.outputs == tuple(json.loads((tmp_path / "run" / "spec.json").read_text())["classes"])


@pytest.mark.usefixtures("undrawn")
def test_models_of_a_cross_validation_by_the_rows_they_never_saw(tmp_path):
    """Asked for when the run is finished already; the whole still knows its members afterwards."""
    words = ["model=linear_sklearn", "data=wine", "cv=kfold", "cv.folds=2", "logger=none", *QUICK]
    run = tmp_path / "run"
    fit(compose(words), run)
    fit(compose([*words, "explain=auto", "explain.rows=500", "explain.samples=2"]), run)
    explained = pl.concat([contributions(run / "folds" / str(i)) for i in range(2)])
    assert sorted(explained["row_id"]) == list(range(178))
    (joint,) = json.loads((run / "importance.json").read_text())
    assert joint["runs"] == ["0", "1"]
    each = [json.loads((run / "folds" / str(i) / "explanation.json").read_text())["targets"][0] for i in range(2)]
    sizes = [{entry["column"]: entry["mean"] for entry in fold["importance"]} for fold in each]
    for line in joint["importance"]:
        assert line["mean"] == pytest.approx(np.mean([size[line["column"]] for size in sizes]))
    RunFolder(run).verify("importance.json", "figures/importance_runs.png")
    assert load(run).predictor is not None
    (run / "folds" / "1" / "manifest.json").write_text("{}")
    with pytest.raises(RunFolderError, match="differs from its SHA-256"):
        load(run)


def test_refusals(runs, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="method=masks does not explain MLP; use integrated_gradients or shapley"):
        explain(runs / "mlp", options=Explain(method="masks"))
    with pytest.raises(ConfigError, match=r"integrated_gradients does not .* several raw ones \('paid'\): use shapley"):
        explain(runs / "made", options=Explain(method="integrated_gradients"))
    with pytest.raises(ConfigError, match="explain.method=integrated_gradients does not explain TabR; use shapley"):
        check(compose(["model=tabr", *CHURN, "explain=auto", "explain.method=integrated_gradients"]))
    with pytest.raises(ConfigError, match="method=tree_shap does not explain Linear"):
        fit(compose(["model=linear", *CHURN, "explain=auto", "explain.method=tree_shap"]), tmp_path / "run")
    assert not (tmp_path / "run").exists(), "told before any data is read"
    with pytest.raises(ValueError, match="method=shap must be one of auto, .*; did you mean 'shapley'"):
        Explain(method="shap")
    path = tmp_path / "rows.csv"
    ChurnSim(n_rows=300).read().write_csv(path)
    words = ["model=dummy", f"data.path={path}", "data.target=churned", "logger=none", *QUICK]
    fit(compose(words), tmp_path / "changed")
    # A model that looks at nothing: there is nothing to take away.
    blind = explain(tmp_path / "changed", options=Explain(rows=3, background=5, samples=2)).views[0]
    assert np.abs(blind.values).max() == 0
    assert np.isnan(blind.deletion.ratio)
    assert (
        json.loads((tmp_path / "changed" / "explanation.json").read_text())["targets"][0]["deletion"]["ratio"] is None
    )
    with path.open("a") as file:
        file.write("\n")
    with pytest.raises(
        DataError, match=r"rows\.csv changed since\): name files with such rows, data\.path=rows\.csv b"
    ):
        explain(tmp_path / "changed")

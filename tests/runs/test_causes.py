"""Every model of tables on customers whose causes are known: each cause weighs more than each column of noise."""

import json

import pytest

from colonnade.config.compose import compose
from colonnade.config.locate import shipped
from colonnade.data.simulate import CAUSES, NOISE
from colonnade.explain.options import Explain
from colonnade.runs.explain import explain
from colonnade.runs.fit import fit

# Text of 1,180 levels, which some learn by heart, and all from 20,000 rows; the others rank it at the bottom, too.
BY_HEART = "data.exclude.last_note='learned by heart'"
MANY, SMALL = "data.source.n_rows=100000", "model.backbone.d_hidden=[64,64]"
ATTENTION = ("model.backbone.d_block=16", "model.backbone.n_blocks=1", "model.backbone.n_heads=2")
MEMBERS = ("model.backbone.n_members=4", "model.backbone.d_block=64", "trainer.max_epochs=1", MANY)
# Small ones with large rates, which learn in one or two epochs what theirs take many for.
RECIPES = {
    "linear": (BY_HEART, MANY, "optim.lr=0.003", "trainer.max_epochs=2"),
    "linear_sklearn": (BY_HEART, MANY),
    "mlp": (SMALL, MANY, "optim.lr=0.01", "trainer.max_epochs=2"),
    "mlp_plr": (SMALL, MANY, "trainer.max_epochs=1"),
    "mlp_pwl": (SMALL, MANY, "trainer.max_epochs=1"),
    "resnet": ("model.backbone.d_block=64", MANY, "optim.lr=0.001", "trainer.max_epochs=2"),
    "realmlp": (SMALL, MANY, "trainer.max_epochs=2"),
    "dcnv2": ("model.backbone.d_block=64", MANY, "optim.lr=0.003", "trainer.max_epochs=2"),
    "gandalf": (
        "model.backbone.n_stages=2",
        BY_HEART,
        MANY,
        "loader.batch_size=512",
        "optim.lr=0.01",
        "trainer.max_epochs=3",
    ),
    "tabnet": ("model.backbone.n_steps=2", "model.backbone.sparsity=0.0", BY_HEART, MANY, "trainer.max_epochs=6"),
    "node": (
        "model.backbone.n_trees=64",
        "model.backbone.depth=4",
        MANY,
        "optim.lr=0.01",
        "trainer.max_epochs=1",
    ),
    "autoint": (*ATTENTION, BY_HEART, "optim.lr=0.003", "trainer.max_epochs=2"),
    "excelformer": (*ATTENTION, BY_HEART, "optim.lr=0.01", "trainer.max_epochs=3"),
    "ft_transformer": (*ATTENTION, BY_HEART, MANY, "optim.lr=0.01", "trainer.max_epochs=1"),
    "ft_transformer_pwl": (*ATTENTION, BY_HEART, "optim.lr=0.01", "trainer.max_epochs=3"),
    "tabtransformer": (
        "model.backbone.d_token=8",
        "model.backbone.n_blocks=1",
        "model.backbone.n_heads=2",
        MANY,
        "optim.lr=0.003",
        "trainer.max_epochs=1",
    ),
    "tabm": MEMBERS,
    "tabm_mini": MEMBERS,
    "tabm_packed": MEMBERS,
    "modernnca": (
        "model.backbone.d_block=32",
        "model.max_context=500",
        BY_HEART,
        "loader.batch_size=256",
        "optim.lr=0.005",
        "trainer.max_epochs=2",
    ),
    "tabr": (
        "model.backbone.d_block=32",
        "model.backbone.n_neighbours=24",
        "model.max_context=1000",
        BY_HEART,
        "optim.lr=0.003",
        "trainer.max_epochs=2",
    ),
    "saint": (
        "model.backbone.d_block=8",
        "model.backbone.n_blocks=1",
        "model.backbone.n_heads=2",
        "model.max_context=64",
        BY_HEART,
        "optim.lr=0.003",
        "trainer.max_epochs=2",
    ),
    "lightgbm": (BY_HEART, "model.n_estimators=60"),
    "xgboost": (BY_HEART, "model.n_estimators=100"),
    "catboost": ("model.n_estimators=60",),
    "random_forest": (BY_HEART, "model.n_estimators=30", "model.min_samples_leaf=10"),
}
# By what they are explained when nothing is said.
METHODS = {
    "tree_shap": ("lightgbm", "xgboost", "catboost", "random_forest"),
    "shapley": ("linear_sklearn", "modernnca", "tabr", "saint"),
}
FIGURES = ("colonnade.report.figures.draw", "colonnade.report.explanation.draw")


@pytest.mark.parametrize("model", RECIPES)
def test_every_cause_ranks_above_every_column_of_noise(model, tmp_path, monkeypatch):
    for name in FIGURES:
        monkeypatch.setattr(name, lambda *of, **how: {})
    words = [f"model={model}", "data=churn_sim", "threads=1", "trainer=cpu", "logger=none", *RECIPES[model]]
    fit(compose(words), tmp_path / "run")
    found = explain(tmp_path / "run", options=Explain(rows=64, background=64, samples=8, top=3))
    assert found.method == next((name for name, of in METHODS.items() if model in of), "integrated_gradients")
    told = json.loads((tmp_path / "run" / "explanation.json").read_text())["targets"][0]
    size = {entry["column"]: entry["mean"] for entry in told["importance"]}
    noise = set(NOISE) - ({"last_note"} if BY_HEART in words else set())
    assert set(size) == {*CAUSES, *noise}
    assert min(size[name] for name in CAUSES) > max(size[name] for name in noise), size
    assert told["importance"][0]["column"] == "tenure"
    assert told["deletion"]["low"] > 1.5
    assert told["convergence"]["share"] < 0.02


def test_no_model_of_tables_is_left_out():
    files = (shipped() / "model").glob("*.yaml")
    tables = {file.stem for file in files if "override /pipeline: sequence" not in file.read_text()}
    # One that predicts nothing, one that is another of them, and one that looks at no target.
    assert tables - {"dummy", "auto", "tabnet_pretrain"} == set(RECIPES)

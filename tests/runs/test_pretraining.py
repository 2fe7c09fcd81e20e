"""Pre-training, and runs that begin from it."""

import json
import shutil

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.data.simulate import ChurnSim
from colonnade.runs.assemble import assemble
from colonnade.runs.fit import fit, fit_in
from colonnade.runs.folder import RunFolder
from colonnade.runs.predict import predict
from colonnade.tasks.denoising import Denoising

pytestmark = pytest.mark.drawn


class Broken(Exception):
    pass


QUICK = ("trainer=cpu", "threads=1", "logger=none", "data=table", "loader.chunk=2")
SMALL = "model.backbone.d_hidden=[16]"
# Each with words that make it small; its head in pre-training may be another.
MODELS = {
    "mlp_plr": (SMALL,),
    "resnet": ("model.backbone.n_blocks=1", "model.backbone.d_block=8"),
    "realmlp": (SMALL, "model.backbone.activation=mish", "loader.batch_size=64"),
    "ft_transformer": ("model.backbone.n_blocks=1", "loader.batch_size=256"),
    "tabm": ("model.backbone.d_block=8",),
    "tabnet": ("loader.batch_size=128", "model.backbone.virtual_batch=64"),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows of which two thirds lack the target."""
    path = tmp_path_factory.mktemp("rows") / "churn.parquet"
    frame = ChurnSim(n_rows=600).read().drop("cell_tower", "last_note")
    missing = pl.int_range(pl.len()) % 3 > 0
    frame.with_columns(churned=pl.when(~missing).then("churned")).write_parquet(path)
    return path


def asked(table, *words):
    return compose([*QUICK, f"data.path={table}", "data.target=churned", *words])


def pretrained(table, folder, *words):
    return fit_in(asked(table, "task=denoising", "trainer.max_epochs=2", *words), RunFolder(folder), shown=False)


@pytest.mark.parametrize("kept", ["numbers", "categories"])
def test_columns_of_one_kind_alone(kept, table, tmp_path):
    frame = pl.read_parquet(table)
    numbers = [name for name in frame.columns if frame[name].dtype.is_numeric()]
    frame.select(*(numbers if kept == "numbers" else ["contract", "payment"]), "churned").write_parquet(
        tmp_path / "rows.parquet"
    )
    result = pretrained(tmp_path / "rows.parquet", tmp_path / "pre", "trainer.max_epochs=1", "model=mlp", SMALL)
    measured = {"mse", "r2"} if kept == "numbers" else {"accuracy"}
    assert set(result["metrics"]["test"]) == {"loss", *measured}
    assert set(pl.read_csv(tmp_path / "pre" / "reconstruction.csv")["measure"]) == measured - {"mse"}


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pre"
    fit(asked(table, "task=denoising", "trainer.max_epochs=2", "model=mlp", SMALL), folder)
    return folder


def test_a_pretraining_uses_all_rows_and_no_target(table, run, tmp_path):
    result = json.loads((run / "result.json").read_text())
    assert result["status"] == "finished"
    assert set(result["metrics"]["test"]) == {"loss", "mse", "r2", "accuracy"}
    counts = json.loads((run / "split.json").read_text())["counts"]
    assert sum(counts.values()) == 600
    columns = pl.read_csv(run / "reconstruction.csv")
    spec = json.loads((run / "spec.json").read_text())
    assert columns["column"].to_list() == [*spec["num_names"], *spec["cat_names"]]
    assert {path.name for path in (run / "figures").iterdir()} >= {"learning.png", "reconstruction_r2.png"}
    # Other targets, or none, change nothing.
    other = tmp_path / "other.parquet"
    pl.read_parquet(table).with_columns(churned=pl.lit("?")).write_parquet(other)
    pretrained(other, tmp_path / "again", "model=mlp", SMALL)
    for name, tensor in load_file(run / "network.safetensors").items():
        assert torch.equal(load_file(tmp_path / "again" / "network.safetensors")[name], tensor), name


@pytest.mark.parametrize("model", MODELS)
def test_weights_and_pipeline_are_those_of_the_pretraining(model, table, tmp_path):
    head = ["model=tabnet_pretrain"] if model == "tabnet" else [f"model={model}"]
    pretrained(table, tmp_path / "pre", *head, *MODELS[model], "trainer.max_epochs=1")
    words = (f"model={model}", *MODELS[model], "data.drop_missing_target=true", f"init_from={tmp_path / 'pre'}")
    parts = assemble(asked(table, *words))
    before, now = load_file(tmp_path / "pre" / "network.safetensors"), parts.module.network.state_dict()
    taken = {name for name in before if not name.startswith("head.")}
    assert taken == {name for name in now if not name.startswith("head.")}
    assert all(torch.equal(before[name], now[name]) for name in taken)
    assert parts.datamodule.spec.n_train < 200
    if parts.module.average is not None:
        assert all(torch.equal(before[name], parts.module.average.module.state_dict()[name]) for name in taken)


def test_a_run_begins_from_it_and_stands_for_itself(table, run, tmp_path):
    moved = tmp_path / "pre"
    shutil.copytree(run, moved)
    words = ("model=mlp", SMALL, "data.drop_missing_target=true", f"init_from={moved}", "trainer.max_epochs=2")
    result = fit_in(asked(table, *words), RunFolder(tmp_path / "fine"), shown=False)
    assert result["metrics"]["test"]["auroc"] > 0
    pre, own = ((folder / "pipeline.json").read_text() for folder in (moved, tmp_path / "fine"))
    assert pre == own
    notes = json.loads((tmp_path / "fine" / "environment.json").read_text())["notes"]
    assert f"begins from the pre-training '{moved}'" in notes
    seen = next(note for note in notes if "test rows were pre-trained on" in note)
    # The split of those with a target is another than that of all rows.
    assert 0 < int(seen.split()[0]) <= int(seen.split()[2])
    shutil.rmtree(moved)
    assert predict(tmp_path / "fine", table).height == 600


def test_resumed_bit_for_bit(table, tmp_path, monkeypatch):
    """A pre-training that was stopped after some steps ends with the same weights."""
    cfg = asked(
        *(table, "task=denoising", "trainer.max_epochs=2", "model=mlp", SMALL, "loader.batch_size=64"),
        "callbacks.recovery.every_steps=1",
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit_in(cfg, RunFolder(whole), shown=False)
    posed, left = Denoising.posed, iter(range(8))

    def killed(self, batch, *, training):
        if training and next(left, None) is None:
            raise Broken
        return posed(self, batch, training=training)

    with monkeypatch.context() as patch, pytest.raises(Broken):
        patch.setattr(Denoising, "posed", killed)
        fit_in(cfg, RunFolder(cut), shown=False)
    fit_in(cfg, RunFolder(cut), shown=False)
    states = [load_file(folder / "network.safetensors") for folder in (whole, cut)]
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


def test_what_does_not_fit_is_told_with_both(table, run, tmp_path):
    fine = ("model=mlp", "data.drop_missing_target=true", f"init_from={run}")
    with pytest.raises(ConfigError, match=r"backbone.layers.0.bias: \(16,\) in the pre-training, \(24,\) here"):
        assemble(asked(table, *fine, "model.backbone.d_hidden=[24]"))
    with pytest.raises(ConfigError, match='model.backbone.activation is "silu" in the pre-training, and "relu" here'):
        assemble(asked(table, *fine, SMALL, "model.backbone.activation=relu"))
    with pytest.raises(DataError, match="'region' is a feature of the pre-training, and the target here"):
        assemble(asked(table, *fine, SMALL, "data.target=region"))
    with pytest.raises(DataError, match="column 'region' of the pre-training is no feature here"):
        assemble(asked(table, *fine, SMALL, "data.exclude=[region]"))
    with pytest.raises(RunFolderError, match="holds no finished run"):
        assemble(asked(table, *fine[:2], SMALL, f"init_from={tmp_path}"))
    with pytest.raises(RunFolderError, match="is a pre-training, which predicts no target: .* init_from="):
        predict(run, table)


def test_a_run_of_another_task_is_no_start(table, tmp_path):
    words = ("model=linear", "data.drop_missing_target=true", "trainer.max_epochs=1")
    fit_in(asked(table, *words), RunFolder(tmp_path / "run"), shown=False)
    with pytest.raises(RunFolderError, match="is a run of task=binary; a run begins from a pre-training"):
        assemble(asked(table, *words, f"init_from={tmp_path / 'run'}"))


def test_what_makes_no_sense_is_refused_before_data_are_read(tmp_path):
    words = ("task=denoising", "model=tabr", "cv=kfold", "export=onnx", "explain=auto", "calibration=temperature")
    with pytest.raises(ConfigError) as e:
        fit(compose([*QUICK, "data.path=absent.csv", *words]), tmp_path / "run")
    for text in ("cv: a pre-training", "export: a pre-training", "explain: a", "calibration: a", "a RetrievalNetwork"):
        assert text in str(e.value)
    assert "data.target" not in str(e.value)


def test_series_begin_from_no_pretraining(run, tmp_path):
    series = ("data=etth1", "data.horizon=8", "model=dlinear", f"init_from={run}")
    with pytest.raises(ConfigError, match="init_from: a pre-training is of a table, and the data are series"):
        fit(compose(series), tmp_path / "run")


def test_steps_that_learn_from_the_target_are_refused(table):
    with pytest.raises(ConfigError, match="pipeline: information would learn from the target"):
        assemble(asked(table, "task=denoising", "model=mlp", "features=information"))

"""Packed runs: every member is what it would be by itself, and fails, stops and goes on by itself."""

from __future__ import annotations

import json
import logging
import signal

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, TrainingError
from colonnade.runs import fit as fit_room
from colonnade.runs import score
from colonnade.runs.fit import fit
from colonnade.runs.load import load_run
from colonnade.runs.packed import fit_packed

COMMON = (
    "data.path=table.csv",
    "data.target=y",
    "split=kfold",
    "split.folds=3",
    "trainer=cpu",
    "threads=1",
    "logger=none",
)
SMALL = {
    "mlp": ("model.backbone.d_hidden=[8]", "model.categorical.max_one_hot=2", "model.categorical.unknown_rate=0.2"),
    "resnet": ("model.backbone.d_block=8",),
    "tabm": ("model.backbone.d_block=8", "model.backbone.n_members=3", "model.numerical.n_bins=4"),
    "linear": (),
    "realmlp": ("model.backbone.d_hidden=[8,8]", "model.numerical.n_frequencies=4"),
}


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    """A table with gaps and categories; figures and summaries are left out, which takes most of the time."""
    monkeypatch.chdir(tmp_path)
    for room, name, nothing in (
        (score, "publish", None),
        (score, "_figures", {}),
        (score, "_curves", {}),
        (fit_room, "_show", None),
    ):
        monkeypatch.setattr(room, name, lambda *a, nothing=nothing, **k: nothing)
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=200), rng.normal(size=200), rng.choice(list("uvwx"), 200)
    y = np.where(a + (c == "u") + rng.normal(scale=0.3, size=200) > 0.3, "yes", "no")
    pl.DataFrame({"a": a, "b": pl.Series(b).set(pl.Series(rng.random(200) < 0.1), None), "c": c, "y": y}).write_csv(
        "table.csv"
    )


def configs(model, *each, words=()):
    return [compose([f"model={model}", *COMMON, *SMALL[model], *words, *own]) for own in each]


def curve(folder, name="val/log_loss"):
    return [json.loads(line)[name] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same(packed, solo, rtol=1e-4):
    """Two run folders, of a pack and of a training by itself."""
    np.testing.assert_allclose(curve(packed), curve(solo), rtol=rtol)
    np.testing.assert_allclose(curve(packed, "train/loss"), curve(solo, "train/loss"), rtol=rtol)
    results = [json.loads((folder / "result.json").read_text()) for folder in (packed, solo)]
    assert results[0]["checkpoint"] == results[1]["checkpoint"]
    assert results[0]["epochs"] == results[1]["epochs"]
    frames = [pl.read_parquet(folder / "predictions.parquet") for folder in (packed, solo)]
    assert frames[0]["row_id"].equals(frames[1]["row_id"])
    np.testing.assert_allclose(frames[0]["probability/yes"], frames[1]["probability/yes"], rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("model", ["mlp", "resnet", "tabm"])
def test_a_member_is_what_it_is_by_itself(model, tmp_path):
    # Of two folds of unequal size; another rate, decay, dropout, clipping and schedule; one that stops early.
    dropout = "hidden_dropout" if model == "resnet" else "dropout"
    cfgs = configs(
        model,
        ("split.fold=0",),
        (
            "split.fold=2",
            "seed=1",
            "optim.lr=0.02",
            "optim.schedule=cosine",
            "optim.warmup_steps=3",
            "optim.grad_clip=0.1",
        ),
        (
            "split.fold=2",
            f"model.backbone.{dropout}=0.4",
            "optim.weight_decay=0.1",
            "callbacks.early_stopping.min_delta=9",
        ),
        words=("trainer.max_epochs=3", "callbacks.early_stopping.patience=1", "loader.batch_size=32", "loader.chunk=2"),
    )
    folders = [tmp_path / f"packed{i}" for i in range(3)]
    results = fit_packed(cfgs, folders)
    assert results[2]["epochs"] == 2, "stopped before the others"
    for i, (cfg, folder) in enumerate(zip(cfgs, folders)):
        fit(cfg, tmp_path / f"solo{i}")
        # Batch norm takes away what a bias before it adds: the gradient of that bias is rounding alone, which Adam
        # makes as large as any other.
        same(folder, tmp_path / f"solo{i}", rtol=5e-3 if model == "resnet" else 1e-4)
    # It is a run folder like any other, and left alone when it is finished.
    assert load_run(folders[0]).cfg.seed == 0
    assert fit_packed(cfgs, folders) == results


@pytest.mark.parametrize("model", ["linear", "realmlp"])
def test_so_is_one_without_dropout_and_one_whose_every_setting_follows_the_training(model, tmp_path):
    """RealMLP: rate, decay and dropout go by the share of the steps done, and labels are smoothed."""
    cfgs = configs(
        model,
        ("split.fold=0",),
        ("split.fold=2", "seed=1", "optim.lr=0.02", "optim.weight_decay=0.1"),
        words=("trainer.max_epochs=3", "loader.batch_size=32", "loader.chunk=2"),
    )
    fit_packed(cfgs, [tmp_path / f"packed{i}" for i in range(2)])
    for i, cfg in enumerate(cfgs):
        fit(cfg, tmp_path / f"solo{i}")
        same(tmp_path / f"packed{i}", tmp_path / f"solo{i}")


def test_a_pack_that_was_stopped_goes_on(tmp_path, monkeypatch):
    from colonnade.training.callbacks.recovery import Recovery

    words = ("trainer.max_epochs=4", "callbacks.recovery.max_share=1", "loader.batch_size=32", "loader.chunk=2")
    # Rows that are embedded once: no column is learned.
    words = (*words, "model.categorical.max_one_hot=9")
    cfgs = configs("mlp", ("seed=0",), ("seed=1",), ("seed=2",), words=words)
    folders = [tmp_path / str(i) for i in range(3)]
    save, before = Recovery._save_or_leave, signal.getsignal(signal.SIGTERM)

    def told(self, trainer, module, due):
        if trainer.global_step >= 6:
            # Within the second epoch.
            self._signals.received = 15
        save(self, trainer, module, due)

    with monkeypatch.context() as patch:
        patch.setattr(Recovery, "_save_or_leave", told)
        with pytest.raises(SystemExit, match="143"):
            fit_packed(cfgs, folders)
    assert not any((folder / "result.json").exists() for folder in folders)
    assert signal.getsignal(signal.SIGTERM) is before
    # One of them by itself, the others as a pack.
    fit(cfgs[2], folders[2])
    fit_packed(cfgs, folders)
    for i, cfg in enumerate(cfgs[1:], 1):
        fit(cfg, tmp_path / f"solo{i}")
        same(folders[i], tmp_path / f"solo{i}")


def test_the_others_finish_when_one_fails(tmp_path):
    cfgs = configs(
        "linear",
        ("optim.lr=1e30",),
        ("seed=1",),
        words=("trainer.max_epochs=2", "optim.name=sgd", "loader.batch_size=32"),
    )
    with pytest.raises(TrainingError, match="the loss is"):
        fit_packed(cfgs, [tmp_path / "bad", tmp_path / "good"])
    statuses = [json.loads((tmp_path / name / "result.json").read_text())["status"] for name in ("bad", "good")]
    assert statuses == ["failed", "finished"]


def test_other_columns_make_another_pack(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cfgs = configs("linear", (), ("data.exclude=[b]",), ("seed=1",), words=("trainer.max_epochs=1",))
    results = fit_packed(cfgs, [tmp_path / str(i) for i in range(3)])
    assert all(result["status"] == "finished" for result in results)
    assert "a pack of its own for '1': encoded numeric columns differ: b" in caplog.text
    assert [r.message for r in caplog.records if r.message.startswith("a pack of") and "its own" not in r.message] == [
        "a pack of 2",
        "a pack of 1",
    ]


def test_what_a_pack_cannot_do_is_refused_at_once(tmp_path):
    cfgs = configs(
        "mlp",
        (
            "trainer.precision=bf16-mixed",
            "module.compile=true",
            "module.micro_batch=8",
            "+trainer.limit_train_batches=2",
        ),
    )
    with pytest.raises(ConfigError) as refused:
        fit_packed(cfgs, [tmp_path / "run"])
    for key in ("trainer.precision=bf16-mixed", "module.compile", "module.micro_batch", "trainer.limit_train_batches"):
        assert key in str(refused.value)
    with pytest.raises(ConfigError, match="split.fold=7 must be between 0 and 2"):
        fit_packed(configs("linear", ("split.fold=1",), ("split.fold=7",)), [tmp_path / "run", tmp_path / "other"])
    with pytest.raises(ConfigError, match="a baseline is fitted at once"):
        fit_packed([compose(["model=dummy", *COMMON])], [tmp_path / "run"])
    with pytest.raises(ConfigError, match="those of series are not packed yet"):
        fit_packed([compose(["model=gru", "data=digits_rows"])], [tmp_path / "run"])
    with pytest.raises(ConfigError, match="LearningRateFinder of `callbacks` looks into one training"):
        fit_packed(configs("linear", ("callbacks=lr_find",)), [tmp_path / "run"])

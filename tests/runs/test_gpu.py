"""Trainings on a GPU, against the same on the processor; skipped where there is none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.core.errors import TrainingError
from colonnade.data.sources.embedded import Embedded
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU"),
    pytest.mark.filterwarnings("ignore"),
]
QUIET = ["logger=none", "trainer.enable_progress_bar=false"]
QUICK = ["data=breast_cancer", "trainer=gpu", "trainer.max_epochs=3", *QUIET]
MODELS = ["linear", "mlp", "mlp_plr", "mlp_pwl", "resnet", "tabnet", "ft_transformer", "tabm", "tabm_packed"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "network.safetensors")


@pytest.mark.parametrize("model", MODELS)
def test_a_run_predicts_on_the_processor_what_it_predicted_on_the_gpu(model, tmp_path):
    folder = tmp_path / "run"
    result = fit(compose([f"model={model}", *QUICK]), folder)
    assert result["status"] == "finished"
    stored = pl.read_parquet(folder / "predictions.parquet").filter(split="test").sort("row_id")
    frame = Embedded(name="breast_cancer").read()[stored["row_id"].to_numpy()]
    again = predict(folder, frame)
    for name in (name for name in stored.columns if name.startswith("probability/")):
        assert (stored[name] - again[name]).abs().max() < 1e-4


def test_a_network_without_dropout_learns_the_same(tmp_path):
    words = ["model=mlp", "model.backbone.dropout=0.0", *QUICK]
    gpu = fit(compose(words), tmp_path / "gpu")
    cpu = fit(compose([*words, "trainer=cpu"]), tmp_path / "cpu")
    for name, value in cpu["metrics"]["val"].items():
        assert gpu["metrics"]["val"][name] == pytest.approx(value, abs=2e-3), name


def test_where_the_rows_lie_changes_nothing(tmp_path):
    for place in ("cuda", "cpu"):
        fit(compose(["model=tabm", f"loader.store_device={place}", *QUICK]), tmp_path / place)
    a, b = weights(tmp_path / "cuda"), weights(tmp_path / "cpu")
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("model", ["mlp", "tabm"])
def test_killed_and_resumed_it_is_the_uninterrupted_training(model, tmp_path):
    words = [f"model={model}", *QUICK, "trainer.max_epochs=40", "callbacks.recovery.every_steps=1"]
    fit(compose(words), tmp_path / "whole")
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "colonnade.cli", "train", *words, f"hydra.run.dir={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = folder / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was too quick to be killed"
    subprocess.run(command, check=True, capture_output=True)
    a, b = weights(tmp_path / "whole"), weights(folder)
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "bf16-true", "64-true"])
def test_precisions(precision, tmp_path):
    words = ["model=mlp", *QUICK, f"trainer.precision={precision}", "optim.grad_clip=1.0", "trainer.max_epochs=15"]
    assert fit(compose(words), tmp_path / "run")["metrics"]["test"]["auroc"] > 0.95


def test_compiled(tmp_path):
    words = ["model=mlp", "model.backbone.dropout=0.0", *QUICK]
    plain = fit(compose(words), tmp_path / "plain")
    # In a process of its own: the checks of shapes, which tests bring, do not compile.
    command = [sys.executable, "-m", "colonnade.cli", "train", *words, "module.compile=true"]
    subprocess.run([*command, f"hydra.run.dir={tmp_path / 'compiled'}"], check=True, capture_output=True)
    compiled = json.loads((tmp_path / "compiled" / "result.json").read_text())
    for name, value in plain["metrics"]["val"].items():
        assert compiled["metrics"]["val"][name] == pytest.approx(value, abs=2e-3), name


@pytest.mark.parametrize("finder", ["lr_find", "batch_size_find"])
def test_finders(finder, tmp_path):
    assert fit(compose(["model=mlp", *QUICK, f"callbacks={finder}"]), tmp_path / "run")["status"] == "finished"


def test_a_full_memory_is_told(tmp_path):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        with pytest.raises(TrainingError, match="out of memory: .*; a smaller loader.batch_size"):
            fit(compose(["model=tabm", *QUICK, "loader.store_device=cpu"]), tmp_path / "run")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "failed"


def test_jobs_of_a_search_share_the_gpu(tmp_path):
    folder = tmp_path / "search"
    words = ["model=mlp,tabm", "seed=0,1", *QUICK, "launcher.trials_per_device=2", f"hydra.sweep.dir={folder}"]
    subprocess.run([sys.executable, "-m", "colonnade.cli", "train", "-m", *words], check=True, capture_output=True)
    results = [json.loads(path.read_text()) for path in folder.rglob("result.json")]
    assert [result["status"] for result in results] == ["finished"] * 4
    said = [json.loads(path.read_text()) for path in folder.rglob("environment.json")]
    assert all(one["cuda"] for one in said)

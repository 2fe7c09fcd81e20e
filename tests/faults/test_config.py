"""Faults of a configuration from end to end: told together, by key, before any data is read."""

from __future__ import annotations

import pytest
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.runs.assemble import build_trainer, check_devices

from .kit import refused

BATCH_SIZE = "loader.batch_size: expected an integer, got text 'abc'"
LR = "optim: lr must be above 0, not -5"
STEPS = "the module takes its steps itself; use"
TOLD = {
    "type and range": (["loader.batch_size=abc", "optim.lr=-5"], [r"configuration \(2\)", BATCH_SIZE, LR]),
    "name, type and range": (
        ["model=tabmm", "loader.batch_size=abc", "optim.lr=-5"],
        [r"configuration \(3\)", "model=tabmm: there is no such model; did you mean 'tabm'", BATCH_SIZE, LR],
    ),
    "clipping by Lightning": (
        ["trainer.gradient_clip_val=1.0"],
        [f"trainer.gradient_clip_val: {STEPS} optim.grad_clip"],
    ),
    "accumulation by Lightning": (
        ["trainer.accumulate_grad_batches=2"],
        [f"trainer.accumulate_grad_batches: {STEPS} a larger loader.batch_size, and module.micro_batch if memory is"],
    ),
    "accumulation by Lightning, added": (
        ["+trainer.accumulate_grad_batches=2"],
        [f"trainer.accumulate_grad_batches: {STEPS} a larger loader.batch_size"],
    ),
    "no such compiler": (
        ["module.compile=indctor"],
        ["module.compile: there is no backend 'indctor'; did you mean 'inductor'"],
    ),
    "no GPU": (["trainer=gpu"], ["trainer.accelerator=gpu: torch finds none on this machine"]),
    "counts without a graph": (
        [
            *("data=sequences", "task=forecast_distribution", "task.distribution=negative_binomial", "split=horizon"),
            *("data.context=8", "data.horizon=2", "model=nlinear", "export=onnx"),
        ],
        [
            "export.onnx: task.distribution=negative_binomial: quantiles of counts are searched for, and have no graph "
            "to export; gaussian and student_t have one"
        ],
    ),
    "an event that is there": (
        [
            "data=steps",
            "data.target=[a,elapsed]",
            "data.time=t",
            "data.elapsed=hours",
            "model=event_gru",
            "task=next_event",
        ],
        ["data.lead=0 is the event itself: task=next_event learns the next one, data.lead=1"],
    ),
    "Nesterov without momentum": (
        ["optim=sgd", "+optim.nesterov=true", "optim.momentum=0"],
        ["optim: momentum must be above 0 with nesterov=true, not 0"],
    ),
}


@pytest.mark.parametrize("fault", TOLD)
def test_it_is_told_before_data_is_read(run, fault, monkeypatch):
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    words, texts = TOLD[fault]
    told = run("train", "data.path=there-is-no-such.csv", "data.target=y", *words)
    refused(told, *texts, status=2)
    assert "no such file" not in told.text
    assert not (told.run / "result.json").exists()


@pytest.mark.parametrize("words", [["trainer=gpu"], ["trainer.accelerator=gpu"], ["trainer.accelerator=cuda"]])
def test_a_device_that_is_not_here_is_told_by_its_key(words, tmp_path, monkeypatch):
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    cfg = compose(["data=wine", *words])
    check(cfg)
    text = (
        rf"^trainer.accelerator={cfg.trainer.accelerator}: torch finds none on this machine; trainer=cpu, or trainer="
    )
    with pytest.raises(ConfigError, match=text):
        check_devices(cfg)
    with pytest.raises(ConfigError, match=text):
        build_trainer(cfg, tmp_path)


def test_devices_that_are_here(monkeypatch):
    monkeypatch.setattr(CUDAAccelerator, "is_available", lambda: True)
    for name in ("auto", "cpu", "gpu", "cuda"):
        check_devices(compose(["data=wine", f"trainer.accelerator={name}"]))


def test_a_device_that_does_not_exist():
    with pytest.raises(ConfigError, match=r"^trainer.accelerator=gpuu: there is no such kind; did you mean 'gpu'\?"):
        check_devices(compose(["data=wine", "trainer.accelerator=gpuu"]))

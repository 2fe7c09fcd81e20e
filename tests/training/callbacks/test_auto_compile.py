"""AutoCompile: it pays for what it does, goes back where it was wrong, and resumes as it was."""

from __future__ import annotations

import json

import pytest
import torch
from kit import FakeData, Net, module, trainer
from lightning.pytorch import Callback

from colonnade.training.callbacks import auto_compile
from colonnade.training.callbacks.early_stopping import EarlyStopping


class Clock:
    """Ten seconds a chunk, of which an epoch has four; another pace where the network is compiled."""

    def __init__(self, compiled):
        self.now, self.pace, self.compiled = 0.0, 10.0, compiled

    def perf_counter(self):
        self.now += self.pace
        return self.now

    def compile_in_place(self, parts, backend):
        self.pace = 10.0 if backend is None else self.compiled
        real(parts, None if backend is None else "eager")


real = auto_compile.compile_in_place


class Precision(Callback):
    """Which numbers the network gives in each epoch."""

    def __init__(self):
        self.seen = {}

    def on_train_start(self, trainer, pl_module):
        def note(head, given, raw):
            if head.training:
                self.seen.setdefault(trainer.current_epoch, set()).add(raw.dtype)

        pl_module.network.head.register_forward_hook(note)


@pytest.fixture
def fit(tmp_path, monkeypatch):
    def run(compiled=4.0, *, units=True, patience=100, **options):
        clock, seen = Clock(compiled), Precision()
        monkeypatch.setattr(auto_compile, "time", clock)
        monkeypatch.setattr(auto_compile, "compile_in_place", clock.compile_in_place)
        monkeypatch.setattr(auto_compile, "has_bfloat16", lambda: units)
        early = EarlyStopping(monitor="val/loss", mode="min", patience=patience)
        epochs, path = options.pop("epochs", 6), options.pop("ckpt_path", None)
        made = trainer(tmp_path, epochs=epochs, callbacks=[early, seen], enable_checkpointing=False, **options)
        made.fit(
            module(Net(dropout=0.0), compile="auto", ema=0.9), datamodule=FakeData(), ckpt_path=path, weights_only=True
        )
        dtypes = [seen.seen[epoch] for epoch in sorted(seen.seen)]
        return dtypes, json.loads((tmp_path / "compile.json").read_text()), made

    return run


FULL, HALF = {torch.float32}, {torch.bfloat16}


def test_a_long_training_goes_over_after_its_first_epoch(fit):
    # 40 s an epoch, five to come: half of 200 s is more than 65 s.
    dtypes, told, _ = fit()
    assert dtypes == [FULL] + [HALF] * 5
    assert told["phase"] == "compiled"
    assert told["why"] == "compiled, a step takes 0.40 of its time before"
    assert told["seconds_a_step"] == pytest.approx({"float32": 40 / 13, "compiled": 16 / 13})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"epochs": 4}, "120 s of training are sure to follow, of which compiling saves about 60 and costs about 65"),
        ({"patience": 3}, "120 s of training are sure to follow"),
        ({"units": False}, "this processor has no units for bfloat16"),
        ({"precision": "bf16-mixed"}, "trainer.precision=bf16-mixed was chosen"),
    ],
)
def test_others_stay(fit, options, why):
    dtypes, told, _ = fit(**options)
    assert set().union(*dtypes) == (HALF if "precision" in options else FULL)
    assert told["phase"] == "refused"
    assert told["why"].startswith(f"stays eager and in float32: {why}")


def test_what_is_no_faster_is_undone(fit):
    dtypes, told, _ = fit(compiled=11.0)
    # An epoch compiles, the next is measured.
    assert dtypes == [FULL, HALF, HALF, FULL, FULL, FULL]
    assert told["why"] == "stays eager and in float32: a step takes 1.10 of its time before"


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_resumed_training_goes_on_as_it_was(fit, tmp_path, monkeypatch, epochs):
    # After two epochs it is not yet known whether compiling helps, after three it is.
    monkeypatch.setattr(auto_compile, "COST", -1.0)
    _, _, made = fit(epochs=epochs)
    made.save_checkpoint(tmp_path / "a.ckpt")
    dtypes, told, _ = fit(epochs=5, ckpt_path=tmp_path / "a.ckpt")
    assert dtypes == [HALF] * (5 - epochs)
    assert told["phase"] == "compiled"


def test_units_of_this_processor():
    assert isinstance(auto_compile.has_bfloat16(), bool)

"""StopAfter: as many epochs as it says, the schedule as if there were more, through interruptions too."""

import json

import pytest
import torch
from kit import FakeData, callbacks, module, same, trainer
from lightning.pytorch import Callback

from colonnade.training.callbacks.best import Best
from colonnade.training.callbacks.early_stopping import EarlyStopping
from colonnade.training.callbacks.progress import Progress
from colonnade.training.callbacks.stop_after import StopAfter
from colonnade.training.checkpoint_io import latest_recovery
from colonnade.training.optim import OptimizerBuilder


def make():
    return module(optim=OptimizerBuilder(lr=1e-2, schedule="cosine"), ema=0.9)


def train(folder, epochs, *extra, horizon=10, resume=False):
    """All the default callbacks but those that choose."""
    kept = [c for c in callbacks(folder, max_share=1.0) if not isinstance(c, Best | EarlyStopping)]
    run = trainer(folder, epochs=horizon, callbacks=[*extra, *kept, StopAfter(epochs=epochs)])
    model = make()
    checkpoint = latest_recovery(folder / "checkpoints") if resume else None
    run.fit(model, datamodule=FakeData(), ckpt_path=checkpoint, weights_only=True)
    return run, model


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_stops_and_the_schedule_is_that_of_the_whole_horizon(tmp_path):
    run, model = train(tmp_path / "cut", 4)
    whole, _ = train(tmp_path / "whole", 10)
    assert (run.current_epoch, whole.current_epoch) == (4, 10)
    assert [line["lr"] for line in lines(tmp_path / "cut")] == [line["lr"] for line in lines(tmp_path / "whole")][:4]
    assert lines(tmp_path / "cut")[-1]["lr"] > 5e-3
    at_four = next((tmp_path / "cut" / "checkpoints").glob("recovery-epoch0003-*.ckpt"))
    assert same(torch.load(at_four, weights_only=True)["state_dict"], model.state_dict())


class Cut(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KeyError


def test_the_epochs_before_an_interruption_count(tmp_path):
    _, whole = train(tmp_path / "whole", 4)
    with pytest.raises(KeyError):
        train(tmp_path / "cut", 4, Cut(2))
    run, resumed = train(tmp_path / "cut", 4, resume=True)
    assert run.current_epoch == 4
    assert same(resumed.state_dict(), whole.state_dict())
    assert [line["epoch"] for line in lines(tmp_path / "cut")] == [0, 1, 2, 3]


def test_a_training_that_has_ended_is_not_gone_on_with(tmp_path):
    _, first = train(tmp_path, 3)
    run, again = train(tmp_path, 3, resume=True)
    assert run.current_epoch == 3
    assert same(first.state_dict(), again.state_dict())
    assert len(lines(tmp_path)) == 3


def test_the_bar_counts_to_where_it_stops(tmp_path):
    run, _ = train(tmp_path, 2)
    assert run.progress_bar_callback.text(run, ended=True).startswith("epoch 2/2 · ")
    endless = trainer(
        tmp_path / "endless", epochs=-1, callbacks=[Progress(monitor="x", mode="min"), StopAfter(epochs=2)]
    )
    assert endless.progress_bar_callback.text(endless).startswith("epoch 1/2")


def test_ranges():
    with pytest.raises(ValueError, match="epochs must be 1 or more, not 0"):
        StopAfter(epochs=0)

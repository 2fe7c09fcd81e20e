"""An interrupted training that is resumed is the uninterrupted one, bit for bit."""

import json
import os
import signal

import pytest
import torch
from kit import FakeData, FakeTask, Net, callbacks, module, same, trainer
from lightning.pytorch import Callback

from colonnade.training.checkpoint_io import best_checkpoint, latest_recovery
from colonnade.training.optim import OptimizerBuilder

EPOCHS, CHUNKS = 4, 4


class Killed(Exception):
    pass


class At(Callback):
    """Does something at the end of a chunk or of the validation of an epoch."""

    def __init__(self, epoch, chunk, action):
        self.place, self.action = (epoch, chunk), action

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.place:
            self.action()

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        if (trainer.current_epoch, "val") == self.place and batch_idx == 1:
            self.action()

    def on_train_epoch_start(self, trainer, pl_module):
        if (trainer.current_epoch, "start") == self.place:
            self.action()


def kill():
    raise Killed


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def make(schedule="one_cycle", **average):
    task = FakeTask(monitor="val/accuracy", mode="max")
    optim = OptimizerBuilder(lr=1e-2, weight_decay=0.1, schedule=schedule, patience=0, gamma=0.5, warmup_steps=3)
    return module(Net(dropout=0.3, norm=True), task=task, optim=optim, **(average or {"ema": 0.9}))


def run(folder, model, *extra, patience=100, **recovery):
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    watchers = callbacks(folder, patience=patience, monitor="val/accuracy", mode="max", **recovery)
    fitted = trainer(folder, epochs=EPOCHS, callbacks=[*extra, *watchers])
    fitted.fit(
        model,
        datamodule=FakeData(weighted=True),
        ckpt_path=latest_recovery(folder / "checkpoints"),
        weights_only=True,
    )
    return fitted


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith(("time", "memory"))} for line in found]


def finish(folder, schedule="one_cycle", **recovery):
    model = make(schedule)
    fitted = run(folder, model, **recovery)
    torch.manual_seed(999)
    best = best_checkpoint(folder / "checkpoints")
    final = latest_recovery(folder / "checkpoints")
    loaded = torch.load(final, weights_only=True)
    return model.state_dict(), torch.load(best, weights_only=True), loaded["optimizer_states"], lines(folder), fitted


def check(folder, whole, schedule="one_cycle", **recovery):
    torch.manual_seed(4321)
    state, best, optimizer, log, fitted = finish(folder, schedule, **recovery)
    expected_state, expected_best, expected_optimizer, expected_log, _ = whole
    assert same(state, expected_state)
    assert same(best["state_dict"], expected_best["state_dict"])
    assert (best["epoch"], best["score"]) == (expected_best["epoch"], expected_best["score"])
    for key, values in expected_optimizer[0]["state"].items():
        assert same(optimizer[0]["state"][key], values)
    assert optimizer[0]["param_groups"] == expected_optimizer[0]["param_groups"]
    assert log == expected_log
    assert fitted.global_step == EPOCHS * 13


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("whole"))


def test_uninterrupted_is_reproducible(tmp_path, whole):
    check(tmp_path, whole)


@pytest.mark.parametrize(
    "place", [(0, 0), (0, 2), (1, 1), (1, 3), (2, "val"), (2, "start"), (3, 2), (3, 3), (3, "val")]
)
@pytest.mark.parametrize("every_steps", [1, 20, 10_000])
def test_killed(tmp_path, whole, place, every_steps):
    """Whatever was saved when, at chunk ends, now and then, or at epoch ends only."""
    with pytest.raises(Killed):
        run(tmp_path, make(), At(*place, kill), every_steps=every_steps, max_share=1.0)
    check(tmp_path, whole, every_steps=every_steps, max_share=1.0)


def test_killed_within_a_plain_mean(tmp_path):
    """The mean of the second half of the steps, left within that half."""
    states = []
    for folder, killed in ((tmp_path / "whole", False), (tmp_path / "cut", True)):
        if killed:
            with pytest.raises(Killed):
                run(folder, make(swa=0.5), At(3, 1, kill), every_steps=1, max_share=1.0)
        model = make(swa=0.5)
        run(folder, model, every_steps=1, max_share=1.0)
        states.append(model.state_dict())
    assert same(*states)
    assert not torch.equal(states[0]["average.module.head.weight"], states[0]["network.head.weight"])


@pytest.mark.parametrize("place", [(0, 1), (1, 3), (1, "val"), (2, "start"), (3, 3)])
@pytest.mark.parametrize(("action", "code"), [(terminate, 143), (interrupt, 130)])
def test_told_to_stop(tmp_path, whole, place, action, code):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        run(tmp_path, make(), At(*place, action), max_share=0.0, every_seconds=1000.0)
    assert stop.value.code == code
    assert signal.getsignal(signal.SIGTERM) is before
    assert latest_recovery(tmp_path / "checkpoints") is not None
    check(tmp_path, whole)


def test_killed_twice(tmp_path, whole):
    for place in ((0, 2), (2, 1)):
        with pytest.raises(Killed):
            run(tmp_path, make(), At(*place, kill), every_steps=1)
    check(tmp_path, whole)


def test_plateau(tmp_path):
    expected = finish(tmp_path / "whole", "plateau")
    with pytest.raises(Killed):
        run(tmp_path / "cut", make("plateau"), At(2, 1, kill), every_steps=1)
    check(tmp_path / "cut", expected, "plateau")


def test_damaged_newest_falls_back(tmp_path, whole):
    with pytest.raises(Killed):
        run(tmp_path, make(), At(2, 2, kill), every_steps=1)
    newest = latest_recovery(tmp_path / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:-100])
    assert latest_recovery(tmp_path / "checkpoints") != newest
    check(tmp_path, whole)


def test_finished_stays_finished(tmp_path, whole):
    finish(tmp_path)
    check(tmp_path, whole)


def test_stopped_early_stays_stopped(tmp_path):
    class Worse(FakeTask):
        def epoch_metrics(self, prediction, target, weight):
            return {"accuracy": 1.0 / (1 + self.decoded)}

    def model():
        return module(task=Worse(monitor="val/accuracy", mode="max"))

    first = run(tmp_path, model(), patience=2)
    assert first.current_epoch == 3
    again = run(tmp_path, model(), patience=2)
    assert again.global_step == first.global_step

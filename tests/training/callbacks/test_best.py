import logging
import math

import pytest
import torch
from kit import FakeData, FakeTask, module, same, trainer
from lightning.pytorch import Callback

from colonnade.training import manifest
from colonnade.training.callbacks.best import Best
from colonnade.training.checkpoint_io import best_checkpoint

SCORES = [0.5, 0.7, math.nan, 0.6, 0.8, 0.8]


def best(folder, mode="max"):
    return Best(dirpath=str(folder), monitor="val/score", mode=mode)


class Keep(Callback):
    def __init__(self):
        self.states = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.states.append({k: v.clone() for k, v in pl_module.state_dict().items()})


@pytest.mark.parametrize(("mode", "epoch", "score"), [("max", 4, 0.8), ("min", 0, 0.5)])
def test_keeps_the_best_epoch(tmp_path, mode, epoch, score):
    task = FakeTask(monitor="val/score", mode=mode, extra=lambda n: {"score": SCORES[n - 1]})
    keep = Keep()
    trainer(tmp_path, epochs=6, callbacks=[keep, best(tmp_path, mode)]).fit(module(task=task), datamodule=FakeData())
    path = best_checkpoint(tmp_path)
    assert path.name == f"best-epoch{epoch:04d}.ckpt"
    found = torch.load(path, weights_only=True)
    assert same(found["state_dict"], keep.states[epoch])
    assert found["score"] == score
    assert [e.kind for e in manifest.read(tmp_path)] == [manifest.BEST]


def test_never_defined_keeps_the_last(tmp_path, caplog):
    task = FakeTask(monitor="val/score", mode="max", extra=lambda n: {"score": math.nan})
    model = module(task=task)
    with caplog.at_level(logging.WARNING):
        trainer(tmp_path, epochs=2, callbacks=[best(tmp_path)]).fit(model, datamodule=FakeData())
    assert "val/score was never defined: the last weights are kept as the best" in caplog.text
    assert same(torch.load(best_checkpoint(tmp_path), weights_only=True)["state_dict"], model.state_dict())


def test_is_written_when_the_training_fails(tmp_path):
    class Fail(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                raise RuntimeError("cable pulled")

    task = FakeTask(monitor="val/score", mode="max", extra=lambda n: {"score": SCORES[n - 1]})
    with pytest.raises(RuntimeError, match="cable pulled"):
        trainer(tmp_path, epochs=6, callbacks=[Fail(), best(tmp_path)]).fit(module(task=task), datamodule=FakeData())
    assert best_checkpoint(tmp_path).name == "best-epoch0001.ckpt"


def test_mode():
    with pytest.raises(ValueError, match="mode must be min or max, not 'large'"):
        Best(dirpath=".", monitor="x", mode="large")

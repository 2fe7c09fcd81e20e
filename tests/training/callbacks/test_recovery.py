import itertools
import math

import pytest
import torch
from kit import FakeData, Net, module, trainer
from lightning.pytorch import Callback

from colonnade.core.errors import TrainingError
from colonnade.training import manifest
from colonnade.training.callbacks.recovery import Recovery, Savings
from colonnade.training.checkpoint_io import latest_recovery


def steps(folder):
    return [e.step for e in manifest.read(folder)]


def fit(folder, *extra, epochs=3, **options):
    callbacks = [*extra, Recovery(dirpath=str(folder), **options)]
    trainer(folder, epochs=epochs, callbacks=callbacks).fit(module(Net(dropout=0.0)), datamodule=FakeData())


def test_keeps_two_of_every_epoch(tmp_path):
    fit(tmp_path, max_share=1.0)
    assert steps(tmp_path) == [26, 39]
    assert sorted(p.name for p in tmp_path.glob("*.ckpt")) == [
        "recovery-epoch0001-step00000026.ckpt",
        "recovery-epoch0002-step00000039.ckpt",
    ]


def test_the_last_epoch_is_always_saved(tmp_path):
    fit(tmp_path, max_share=0.0, every_seconds=1000.0)
    assert steps(tmp_path) == [39]


def test_what_saving_takes_counts_for_all_that_share_the_time(tmp_path, monkeypatch):
    # Each look at the clock is a second later: an epoch takes 3 of them, its saving 1.
    ticks = itertools.count()
    monkeypatch.setattr("colonnade.training.callbacks.recovery.time.monotonic", lambda: float(next(ticks)))
    saved = {}
    for sharing in (1, 100):
        recovery = Recovery(dirpath=str(tmp_path / str(sharing)), max_share=0.5, every_seconds=1e9, keep=100)
        recovery.savings = Savings(sharing)
        trainer(tmp_path, epochs=4, callbacks=[recovery]).fit(module(Net(dropout=0.0)), datamodule=FakeData())
        saved[sharing] = steps(tmp_path / str(sharing))
    assert saved == {1: [13, 26, 39, 52], 100: [13, 52]}


def test_by_steps_at_the_end_of_a_chunk(tmp_path):
    fit(tmp_path, max_share=0.0, every_seconds=1000.0, every_steps=10, keep=100)
    # Chunks of 4, 4, 4 and 1 steps; the last one of an epoch is saved at its end.
    assert steps(tmp_path) == [12, 21, 30, 39]


def test_by_time(tmp_path):
    fit(tmp_path, max_share=0.0, every_seconds=1e-9, keep=100)
    assert steps(tmp_path) == [s + 13 * e for e in range(3) for s in (4, 8, 12, 13)]


def test_spoilt_weights_are_not_saved(tmp_path):
    class Spoil(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                torch.nn.init.constant_(pl_module.network.head.weight, math.nan)

    with pytest.raises(TrainingError, match=r"weights are not finite after step 26: head.weight"):
        fit(tmp_path, Spoil(), max_share=1.0)
    assert latest_recovery(tmp_path).name == "recovery-epoch0000-step00000013.ckpt"


def test_too_little_room_is_said_before_training(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("colonnade.training.checkpoint_io.shutil.disk_usage", lambda path: usage)
    with pytest.raises(TrainingError, match="checkpoints need about"):
        fit(tmp_path)


def test_half_written_files_are_swept(tmp_path):
    (tmp_path / ".recovery.ckpt.1.tmp").write_bytes(b"half")
    fit(tmp_path, epochs=1)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"every_seconds": 0}, "every_seconds must be above 0, not 0"),
        ({"every_steps": 0}, "every_steps must be 1 or more, or null, not 0"),
        ({"max_share": 2}, "max_share must be in [0, 1], not 2"),
        ({"keep": 0}, "keep must be 1 or more, not 0"),
    ],
)
def test_ranges(options, text):
    with pytest.raises(ValueError) as error:
        Recovery(dirpath=".", **options)
    assert str(error.value) == text

"""Faults of a training from end to end, but for those that kill it (``test_kill.py``)."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

import forked
from colonnade.training import manifest
from colonnade.training.checkpoint_io import latest_recovery

from .kit import QUICK, accepted, label, noise, plain, refused, table

GOOD = table(plain)
SMALL = ("model.backbone.d_block=8", "model.backbone.n_blocks=1")


def result(told):
    return json.loads((told.run / "result.json").read_text())


def test_a_loss_that_is_not_finite_stops_the_run_with_the_rows_and_keeps_the_finite_checkpoint(run, monkeypatch):
    words = ("optim.lr=1e20", "loader.batch_size=16", "trainer.max_epochs=20", "callbacks.recovery.every_steps=1")
    told = run.train(table(lambda i: f"{noise(3 * i)},a,{noise(5 * i)}"), *words)
    refused(told, r"TrainingError: .*\(row ids \d+.*optim.lr")
    assert (result(told)["status"], result(told)["error"][:14]) == ("failed", "TrainingError:")


def test_outputs_that_are_nan_name_the_rows_of_validation(run):
    # One step of an epoch has a finite loss, but sends the weights far away.
    words = ("optim.lr=1e30", "trainer.max_epochs=5")
    told = run.train(table(lambda i: f"{noise(3 * i)},a,{noise(5 * i)}"), *words)
    refused(told, r"val: the output of the network is NaN or infinite in \d+ of \d+ rows \(row ids \d+, .*optim.lr")


def test_a_full_disk_is_named_and_the_same_command_goes_on_later(run, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(manifest.HashingFile, "write", full)
        told = run.train(GOOD)
    refused(told, r"cannot write checkpoint '.*': the disk is full \(.* MB free\).*run the same command again")
    assert latest_recovery(told.run / "checkpoints") is None
    accepted(run.train(None, f"data.path={run.folder / 't.csv'}"))


def test_too_little_room_is_told_before_training(run, monkeypatch):
    monkeypatch.setattr(
        "colonnade.training.checkpoint_io.shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})()
    )
    refused(run.train(GOOD), "checkpoints need about .* MB in '.*', where 0 MB are free: make room, or write")


@pytest.mark.parametrize(
    ("limit", "width", "text"),
    [(10_000, 256, "cannot write checkpoint"), (30_000, 8, "make room, and run the same command again to finish")],
)
def test_a_file_beyond_the_limit_of_the_system_is_a_plain_error(run, limit, width, text):
    """A real refusal by the system, from a process of its own, as a quota or a full disk gives it."""
    run.file(GOOD)
    script = run.file(
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from colonnade.cli.commands import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "sys.exit(main(sys.argv[1:]))",
        "limited.py",
    )
    words = [
        *QUICK,
        "model=mlp",
        f"model.backbone.d_hidden=[{width}]",
        "data.path=t.csv",
        "data.target=y",
        "hydra.run.dir=run",
    ]
    # A figure is the larger file.
    done = forked.run(["train", *words], run.folder, program=str(script), rendered=True)
    assert done.returncode == 1, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path(run.folder / "run" / "checkpoints").glob(".*.tmp"))


def test_a_second_run_in_the_same_folder_is_refused(run):
    (run.folder / "run").mkdir()
    with FileLock(run.folder / "run" / ".lock"):
        told = run.train(GOOD)
    refused(told, "another process is training in '.*run'; wait for it, or give another hydra.run.dir=")
    assert not (told.run / "result.json").exists()


def test_half_written_files_are_swept_and_said(run):
    stray = run.folder / "run" / "checkpoints" / ".recovery.ckpt.123.tmp"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    accepted(run.train(GOOD), [r"removing '.*\.tmp', left by a process that was killed"])
    assert not stray.exists()


def test_a_last_batch_of_one_row_and_a_batch_beyond_the_data_train_with_batch_norm(run):
    # 65 rows to train on, so that the last of nine batches of eight would hold one.
    told = run.train(table(plain, n=102), "model=resnet", *SMALL, "loader.batch_size=8")
    accepted(told)
    assert json.loads((told.run / "split.json").read_text())["counts"]["train"] % 8 == 1
    told = run.train(GOOD, "model=resnet", *SMALL, "overwrite=true")
    accepted(told, [r"loader.batch_size=\d+ is more than the 77 train rows: shrunk to them"])


def test_a_validation_of_one_class_is_undefined_and_said(run):
    content = table(
        lambda i: f"{noise(3 * i)},{('train', 'val', 'test')[(i > 80) + (i > 100)]},{label(i) if i < 81 else 'no'}"
    )
    words = ("split=predefined", "split.column=c", "data.exclude.c=split", "task.monitor=val/auroc", "task.mode=max")
    told = run.train(content, *words)
    accepted(
        told, ["val/auroc is undefined .* it is left out", "val/auroc was never defined: the last weights are kept"]
    )
    assert result(told)["metrics"]["test"]["auroc"] is None
    assert "val/auroc" not in (told.run / "metrics.jsonl").read_text()


def test_a_checkpoint_with_code_in_it_is_refused(run):
    """What Lightning would load by pickle, put where a training resumes from."""
    import hashlib
    import pickle

    folder = run.folder / "run" / "checkpoints"
    folder.mkdir(parents=True)

    class Code:
        def __reduce__(self):
            return (print, ("code ran",))

    data = pickle.dumps(Code())
    (folder / "recovery.ckpt").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    manifest.write(folder, [manifest.Entry("recovery.ckpt", manifest.RECOVERY, digest, len(data), 0, 1)])
    refused(run.train(GOOD), "holds checkpoints/manifest.json but no environment.json")
    # As one would who also knows how a run says what it is.
    shutil.rmtree(folder)
    accepted(run.train(GOOD))
    (folder.parent / "result.json").unlink()
    (folder / "recovery.ckpt").write_bytes(data)
    manifest.write(folder, [manifest.Entry("recovery.ckpt", manifest.RECOVERY, digest, len(data), 0, 1)])
    told = run.train(GOOD)
    refused(told, "recovery.ckpt' is no checkpoint of plain data")
    assert "code ran" not in told.out

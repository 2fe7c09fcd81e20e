"""Nothing is lost: whatever ends a training, the same command goes on with it, bit for bit."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
from safetensors.torch import load_file

from colonnade.training.checkpoint_io import latest_recovery

from .conftest import SETTINGS

LIMIT = 60


def wait_for_checkpoint(process, run_dir, beyond=-1):
    """Wait until a recovery checkpoint with more steps than ``beyond`` lies in the folder, or the process ends."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and process.poll() is None:
        manifest = run_dir / "checkpoints" / "manifest.json"
        if manifest.exists() and newest_step(run_dir) > beyond:
            return
        time.sleep(0.02)


def newest_step(run_dir):
    text = (run_dir / "checkpoints" / "manifest.json").read_text()
    return max((entry["step"] for entry in json.loads(text)["checkpoints"] if entry["kind"] == "recovery"), default=-1)


def same(first, second):
    """Whether two run folders hold the same weights, curves, predictions and metrics."""
    a, b = (load_file(folder / "network.safetensors") for folder in (first, second))
    assert a.keys() == b.keys()
    assert all(a[key].equal(b[key]) for key in a)
    rows = [[json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()] for f in (first, second)]
    drop = ("rows_per_second", "seconds", "memory")
    rows = [[{k: v for k, v in row.items() if not any(d in k for d in drop)} for row in of] for of in rows]
    assert rows[0] == rows[1]
    assert pl.read_parquet(first / "predictions.parquet").equals(pl.read_parquet(second / "predictions.parquet"))
    results = [json.loads((folder / "result.json").read_text()) for folder in (first, second)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["epochs"] == results[1]["epochs"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    # A process like a user's: with its own order of sets and mappings.
    command = [sys.executable, "-m", "colonnade.cli", "train", *SETTINGS, f"hydra.run.dir={folder}"]
    subprocess.run(command, cwd=folder.parent, capture_output=True, check=True, timeout=LIMIT)
    return folder


@pytest.fixture
def uninterrupted(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "whole")


@pytest.mark.slow
def test_kill_9_at_any_step_and_resume_is_bit_exact(train, tmp_path, uninterrupted):
    run_dir = tmp_path / "killed"
    moments = random.Random(3)
    kills, step = 0, -1
    for _ in range(3):
        process = train(run_dir)
        wait_for_checkpoint(process, run_dir, beyond=step)
        time.sleep(moments.random() * 0.3)
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        step = newest_step(run_dir)
    assert kills >= 2
    process = train(run_dir)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    assert "resuming from" in out
    same(uninterrupted, run_dir)


@pytest.mark.slow
def test_sigterm_saves_exits_143_and_resumes(train, tmp_path, uninterrupted):
    run_dir = tmp_path / "terminated"
    process = train(run_dir)
    wait_for_checkpoint(process, run_dir)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, out
    assert not (run_dir / "result.json").exists()
    assert latest_recovery(run_dir / "checkpoints") is not None
    process = train(run_dir)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    same(uninterrupted, run_dir)


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_told_and_its_predecessor_used(train, tmp_path, uninterrupted):
    run_dir = tmp_path / "damaged"
    process = train(run_dir)
    wait_for_checkpoint(process, run_dir, beyond=12)
    process.kill()
    process.communicate()
    newest = latest_recovery(run_dir / "checkpoints")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    process = train(run_dir)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    assert newest.name in out
    assert "damaged" in out
    same(uninterrupted, run_dir)


@pytest.mark.slow
def test_finished_is_left_alone_another_configuration_refused_and_overwrite_starts_over(train, uninterrupted):
    before = (uninterrupted / "result.json").stat().st_mtime_ns
    process = train(uninterrupted)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert "is finished: nothing to do (overwrite=true trains it again)" in out
    assert (uninterrupted / "result.json").stat().st_mtime_ns == before

    process = train(uninterrupted, "seed=1")
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "holds a run of another configuration" in out
    assert (uninterrupted / "result.json").stat().st_mtime_ns == before

    process = train(uninterrupted, "seed=1", "overwrite=true", "trainer.max_epochs=1")
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    assert json.loads((uninterrupted / "result.json").read_text())["epochs"] == 1

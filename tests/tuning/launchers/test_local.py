"""Jobs in processes of this machine: their ends, their groups, and what they get of the machine."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from colonnade.tuning.launchers import child, local
from colonnade.tuning.launchers.local import Local

from .kit import begun, ended, gone, job_in, log, result

HERE = Path(__file__).parent
WORKER = """
import sys, time
sys.path[:0] = [{tests!r}, {here!r}]
from pathlib import Path
from tuning.launchers.kit import job_in
from colonnade.tuning.launchers.local import Local

if __name__ == "__main__":
    launcher = Local()
    launcher.start(job_in(Path({folder!r}), *{words!r}, epochs=10**6))
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _reach(monkeypatch):
    """Jobs may build what lies beside this file."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("COLONNADE_TARGETS", "troubled")


@pytest.fixture(scope="module")
def launcher():
    with Local(trials_per_device=2) as found:
        yield found


def trouble(kind: str, told: Path | None = None) -> str:
    told = f",told:{told}" if told else ""
    return f"+callbacks.trouble={{_target_:troubled.Trouble,kind:{kind}{told}}}"


def dead(pid: int) -> bool:
    """Whether a process has ended; nobody may have asked how."""
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=1)
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def troubled(folder: Path, kind: str, *words: str, epochs: int = 2, **more):
    job = job_in(folder, trouble(kind, folder.parent / "told"), *words, epochs=epochs)
    return replace(job, environment={"COLONNADE_TARGETS": "troubled", **more})


@pytest.mark.slow
def test_ends_of_every_kind_are_recorded_and_the_next_job_finds_all_well(launcher, tmp_path):
    kinds = ("raise", "memory", "gpu", "cpu")
    jobs = [troubled(tmp_path / kind, kind) for kind in kinds]
    assert ended(*[launcher.start(job) for job in jobs]) == [1, 1, 1, 1]
    errors = {job.key: result(job)["error"] for job in jobs}
    more = "; a smaller loader.batch_size or model needs less"
    assert errors["raise"] == "TrainingError: ValueError: too steep\nat length"
    assert errors["memory"] == f"TrainingError: out of memory: no memory is left{more}"
    assert errors["gpu"] == f"TrainingError: out of memory: CUDA out of memory. Tried to allocate 2.00 GiB.{more}"
    assert "out of memory: [enforce fail" in errors["cpu"]
    assert all(result(job)["status"] == "failed" for job in jobs)
    assert "Traceback" in log(jobs[0])
    killed, well = troubled(tmp_path / "kill", "kill"), job_in(tmp_path / "well")
    assert ended(launcher.start(killed), launcher.start(well)) == [-signal.SIGKILL, 0]
    assert not (killed.folder / "result.json").exists()
    assert result(well)["status"] == "finished"


def test_a_job_gets_its_share_of_the_threads_and_its_environment(launcher, tmp_path):
    assert launcher.slots == 2
    job = troubled(tmp_path / "share", "tell", "threads=null", MARK="mine")
    assert ended(launcher.start(job)) == [0]
    share = max(1, local.processors() // 2)
    assert (tmp_path / "told").read_text() == f"{share} {share} mine"


def test_a_job_leads_a_group_of_its_own_and_leaves_none_of_it_behind(launcher, tmp_path):
    job = troubled(tmp_path / "group", "child", epochs=10**6)
    handle = launcher.start(job)
    begun(job)
    process, group, leader = map(int, (tmp_path / "told").read_text().split())
    assert group == leader != os.getpgrp()
    handle.stop()
    assert ended(handle) == [143]
    assert not (job.folder / "result.json").exists()
    assert dead(process)
    handle.stop()
    handle.kill()
    (tmp_path / "told").unlink()
    again = launcher.start(job)
    end = time.monotonic() + 60
    while not (tmp_path / "told").exists():
        assert time.monotonic() < end, log(job)
        time.sleep(0.02)
    assert "resuming from" in log(job)
    process = int((tmp_path / "told").read_text().split()[0])
    again.kill()
    assert again.poll() == -signal.SIGKILL
    gone(job)
    assert dead(process)


@pytest.mark.slow
def test_when_the_process_that_launched_it_is_killed_a_job_saves_its_state_and_ends(tmp_path):
    folder = tmp_path / "orphan"
    words = (trouble("child", tmp_path / "told"),)
    code = WORKER.format(tests=str(HERE.parents[1]), here=str(HERE), folder=str(folder), words=words)
    (tmp_path / "worker.py").write_text(code)
    with subprocess.Popen([sys.executable, "worker.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout.readline() == "started\n"
            job = job_in(folder, *words, epochs=10**6)
            begun(job)
            process, _, leader = map(int, (tmp_path / "told").read_text().split())
        finally:
            worker.kill()
    gone(job)
    assert dead(process)
    assert dead(leader)
    assert not (folder / "result.json").exists()
    assert "told to stop: the state is saved" in log(job)


@pytest.mark.slow
def test_when_the_process_that_it_was_forked_from_is_killed_a_job_saves_its_state_and_is_run_again(launcher, tmp_path):
    job = troubled(tmp_path / "job", "child", epochs=10**6)
    handle = launcher.start(job)
    begun(job)
    leader = int((tmp_path / "told").read_text().split()[2])
    psutil.Process(leader).parent().kill()
    assert ended(handle) == [143]
    gone(job)
    assert not (job.folder / "result.json").exists()
    again = launcher.start(job)
    end = time.monotonic() + 60
    while "resuming from" not in log(job):
        assert time.monotonic() < end, log(job)
        time.sleep(0.05)
    again.kill()
    gone(job)


@pytest.mark.slow
def test_a_run_of_weights_and_biases_is_whole(launcher, tmp_path):
    job = job_in(tmp_path / "logged", "logger=wandb", "logger.wandb.offline=true")
    assert ended(launcher.start(job)) == [0]
    [file] = job.folder.rglob("*.wandb")
    assert file.stat().st_size > 1000


def test_a_folder_that_another_process_holds_is_left_to_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    job = job_in(tmp_path / "held")
    job.folder.mkdir()
    monkeypatch.setattr(child, "PATIENCE", 0.1)
    with FileLock(job.folder / ".lock"):
        assert child._train(job) == 143
    assert "another process is still training in" in capsys.readouterr().err
    assert not (job.folder / "result.json").exists()


def test_a_finished_training_that_was_not_timed_is_timed(launcher, tmp_path):
    job = replace(job_in(tmp_path / "timed"), latency=True)
    assert ended(launcher.start(job)) == [0]
    timed = result(job)
    assert timed["latency"] > 0
    (job.folder / "result.json").write_text(json.dumps({k: v for k, v in timed.items() if k != "latency"}))
    assert ended(launcher.start(job)) == [0]
    assert result(job) == {**timed, "latency": result(job)["latency"]}
    assert log(job).count("run folder") == 1, "trained once"


def test_what_runs_at_the_end_is_stopped(tmp_path):
    job = job_in(tmp_path / "cut", epochs=10**6)
    with Local() as launcher:
        handle = launcher.start(job)
        begun(job)
    assert handle.poll() == 143
    gone(job)


def test_waiting_ends_early_when_a_job_has_ended(monkeypatch):
    launcher = Local()
    begin = time.monotonic()
    launcher.wait(0.05)
    assert time.monotonic() - begin >= 0.05
    reader, writer = multiprocessing.Pipe(duplex=False)

    class Over:
        sentinel = reader
        code = None

        def poll(self):
            return self.code

    launcher._busy = [("", Over())]
    writer.close()
    begin = time.monotonic()
    launcher.wait(10)
    assert time.monotonic() - begin < 5
    reader.close()


def test_jobs_are_spread_over_the_gpus(monkeypatch):
    started = []

    class Running:
        def __init__(self, context, job):
            started.append(job)
            self.code = None

        def poll(self):
            return self.code

    monkeypatch.setattr(local, "gpus", lambda: ["0", "3"])
    monkeypatch.setattr(local, "Forked", Running)
    launcher = Local(trials_per_device=2)
    assert launcher.slots == 4
    job = job_without_config()
    handles = [launcher.start(job) for _ in range(4)]
    assert [job.environment["CUDA_VISIBLE_DEVICES"] for job in started] == ["0", "3", "0", "3"]
    assert {job.threads for job in started} == {max(1, local.processors() // 4)}
    handles[1].code = 0
    launcher.start(job)
    assert started[-1].environment == {"MARK": "1", "CUDA_VISIBLE_DEVICES": "3"}
    assert job.environment == {"MARK": "1"}


def job_without_config():
    from colonnade.tuning.job import Job

    return Job("a", Path("a"), "", environment={"MARK": "1"})


def test_the_gpus_are_those_that_this_process_may_use(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert local.gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5")
    assert local.gpus() == ["2", "GPU-5"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert local.gpus() == []


def test_fewer_than_one_job_is_refused():
    with pytest.raises(ValueError, match="trials_per_device must be at least 1, got 0"):
        Local(trials_per_device=0)

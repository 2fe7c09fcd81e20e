"""Searches: killed at any moment, shared by several commands, and every training is done once."""

import json
import os
import random
import signal
import time
from collections import Counter

import psutil
import pytest
import yaml

import forked
from colonnade.config.compose import compose
from colonnade.runs.fit import fit

LIMIT = 240
QUICK = (
    "data=breast_cancer",
    "model=linear",
    "trainer=cpu",
    "threads=1",
    "trainer.max_epochs=2",
    "trainer.enable_progress_bar=false",
    "logger=none",
    "callbacks=minimal",
)


@pytest.fixture
def search(tmp_path):
    """Starts ``colonnade train -m`` in the same folder again and again; what is left is killed in the end."""
    started = []

    def start(*words, settings=QUICK, **environment):
        process = forked.start(
            ["train", "-m", *settings, *words, "hydra.sweep.dir=search"],
            tmp_path,
            env=environment,
            together=True,
            new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def finished(process, code=0):
    said, _ = process.communicate(LIMIT)
    assert process.returncode == code, said
    return said


def results(folder):
    """The result of each training, by the path of its folder."""
    found = {path.parent.relative_to(folder).as_posix(): path for path in folder.rglob("result.json")}
    return {key: json.loads(path.read_text()) for key, path in found.items()}


def trained(folder):
    """How often each training was brought to its end."""
    logs = {path.parent.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("train.log")}
    return Counter({key: text.count("run folder") for key, text in logs.items()})


def jobs(process):
    """The processes of the running jobs of a command."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if os.getpgid(child.pid) == child.pid]


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "words"), [(5, ()), (3, ("tune=random", "tune.n_trials=8"))], ids=["grid", "study"])
def test_killed_again_and_again_it_ends_with_every_training_done_once(search, tmp_path, kills, words):
    moments = random.Random(len(words))
    swept = ("seed=range(0,8)",) if not words else ("optim.lr=tag(log,interval(1e-4,1e-2))",)
    folder = tmp_path / "search"
    for kill in range(kills):
        process = search(*swept, *words)
        end = time.monotonic() + LIMIT
        before = len(results(folder))
        # Now and then before the first job, else after a job or in the middle of one.
        goal = moments.choice([None, before, before + 1])
        while time.monotonic() < end and process.poll() is None:
            if goal is None or len(results(folder)) >= min(goal, 8):
                break
            time.sleep(0.01)
        time.sleep(moments.random() * 1.5)
        if process.poll() is not None:
            break
        try:
            targets = jobs(process) if kill % 3 == 1 else []
        except psutil.NoSuchProcess:
            targets = []
        for target in targets:
            target.kill()
        process.kill()
        process.wait(LIMIT)
    finished(search(*swept, *words, "tune.retry_failed=true"))
    done = results(folder)
    assert [result["status"] for result in done.values()] == ["finished"] * 8, {
        key: (result["status"], result["error"]) for key, result in done.items()
    }
    assert all(count <= 1 for count in trained(folder).values()), "none twice"
    # Repeated, it finds nothing to do.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    finished(search(*swept, *words))
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}


@pytest.mark.slow
def test_several_commands_share_a_search(search, tmp_path):
    words = ("optim.lr=tag(log,interval(1e-4,1e-2))", "tune=random", "tune.n_trials=9")
    # Folders of their own, as on several machines, the first too long for a socket.
    temporary = [tmp_path / ("tmp" * (40 if i == 0 else 1) + str(i)) for i in range(3)]
    for folder in temporary:
        folder.mkdir()
    processes = [search(*words, TMPDIR=str(folder)) for folder in temporary]
    for process in processes:
        finished(process)
    folder = tmp_path / "search"
    assert Counter(result["status"] for result in results(folder).values()) == {"finished": 9}
    assert trained(folder) == dict.fromkeys(results(folder), 1), "no training twice"
    rates = {word for result in results(folder).values() for word in result["overrides"] if word.startswith("optim.lr")}
    assert len(rates) == 9, "a point for each trial"


@pytest.mark.slow
def test_a_grid_that_grows_runs_only_what_is_new(search, tmp_path):
    folder = tmp_path / "search"
    finished(search("seed=0,1"))
    first = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    finished(search("seed=0,1,2"))
    assert set(results(folder)) == {"seed=0", "seed=1", "seed=2"}
    assert all(path.stat().st_mtime_ns == at for path, at in first.items())


@pytest.mark.slow
def test_failures_are_told_and_retried_alone(search, tmp_path):
    folder = tmp_path / "search"
    rows = "".join(f"{i * 7 % 13 / 4},{i % 2}\n" for i in range(60))
    (tmp_path / "good.csv").write_text("a,y\n" + rows)
    settings = ["data=table", "data.target=y", *(word for word in QUICK if word != "data=breast_cancer")]
    out = finished(search("data.path=good.csv,late.csv", settings=settings), code=1)
    assert "1 of 2 trainings failed" in out
    assert Counter(result["status"] for result in results(folder).values()) == {"finished": 1, "failed": 1}
    before = (folder / "data.path=good.csv" / "result.json").stat().st_mtime_ns
    # Without being asked it leaves the failure alone.
    finished(search("data.path=good.csv,late.csv", settings=settings), code=1)
    (tmp_path / "late.csv").write_text((tmp_path / "good.csv").read_text())
    finished(search("data.path=good.csv,late.csv", "tune.retry_failed=true", settings=settings))
    assert Counter(result["status"] for result in results(folder).values()) == {"finished": 2}
    assert (folder / "data.path=good.csv" / "result.json").stat().st_mtime_ns == before
    finished(search("data.path=good.csv,late.csv", "fresh=true", settings=settings))
    assert len(list(tmp_path.glob("search.*"))) == 1, "the earlier search is put aside, not overwritten"


@pytest.mark.slow
def test_trainings_over_two_processes_have_the_settings_of_their_trials_and_are_pruned(search, tmp_path):
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    epochs = "trainer.max_epochs=200"
    settings = [word for word in QUICK if word != "trainer=cpu" and not word.startswith("trainer.max_epochs")]
    # Of two, successive halving keeps the better one: the defaults, which were first.
    space = ("optim.lr=tag(log,interval(1e-5,1e-1))", "search={loader.batch_size:null}")
    tune = ("tune=random", "tune.n_trials=2", "tune.pruner=successive_halving", "tune.warmup_epochs=1")
    finished(search(*space, *tune, "tune.points=[{optim.lr: 0.00001}]", *two, epochs, settings=settings))
    first, second = (results(tmp_path / "search")[f"trial-000{i}"] for i in (0, 1))
    assert (first["status"], second["status"]) == ("finished", "pruned")
    assert first["epochs"] == 200
    assert second["epochs"] < 200
    assert second["metrics"]["val"]["log_loss"] > first["metrics"]["val"]["log_loss"]
    folders = [tmp_path / "search" / f"trial-000{i}" for i in (0, 1)]
    rates = [yaml.safe_load((folder / "config.yaml").read_text())["optim"]["lr"] for folder in folders]
    assert rates[1] == 1e-5
    alone = fit(compose([*settings, "trainer=cpu", epochs, f"optim.lr={rates[0]}"]), tmp_path / "alone")
    for split, metrics in alone["metrics"].items():
        assert first["metrics"][split] == pytest.approx(metrics, rel=1e-3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_saves_the_running_job_and_goes_on_later(search, tmp_path, number, code):
    settings = [word for word in QUICK if not word.startswith("trainer.max_epochs")]
    words = ("seed=0,1", "trainer.max_epochs=40", "callbacks.recovery.every_steps=1")
    process = search(*words, settings=settings)
    manifest = tmp_path / "search" / "seed=0" / "checkpoints" / "manifest.json"
    end = time.monotonic() + LIMIT
    while not manifest.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    left = psutil.Process(process.pid).children(recursive=True)
    assert left
    # As a terminal does it: to all but the jobs, which lead groups of their own.
    os.killpg(process.pid, number)
    finished(process, code=code)
    assert psutil.wait_procs(left, 30)[1] == [], "nothing runs on"
    finished(search(*words, settings=settings))
    assert "resuming from" in (tmp_path / "search" / "seed=0" / "train.log").read_text()
    assert Counter(result["status"] for result in results(tmp_path / "search").values()) == {"finished": 2}

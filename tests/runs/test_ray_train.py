"""One training over Ray Train: what the processes are told, what is heard of them, and the numbers of one process."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, TrainingError
from colonnade.runs import launch as room
from colonnade.runs.assemble import build_trainer
from colonnade.runs.fit import fit
from colonnade.runs.launch import JOB, launch, processes
from colonnade.runs.ray_session import import_ray
from colonnade.runs.ray_train import RayTrain

# Two Rays on one machine disturb each other; `make test` runs this file by itself.
# Its own use of what it has deprecated, and its processes, which it does not wait for.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]
alone = pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="Ray is tested in one process: make test")
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "cluster=ray")
# Without dropout, of which every process has its own.
SMALL = (
    "model=mlp",
    "data=breast_cancer",
    "threads=1",
    "trainer.max_epochs=30",
    "loader.batch_size=16",
    "loader.chunk=2",
    "model.backbone.d_hidden=[16]",
    "model.backbone.dropout=0.0",
    "optim.lr=1e-4",
    "logger=none",
    "~callbacks.early_stopping",
    "callbacks.recovery.every_steps=4",
    "callbacks.recovery.max_share=1",
)


@pytest.fixture(scope="module")
def own():
    """A folder and a token for Ray, so that nothing is left in the usual places, nor found there."""
    # The paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        # How often Ray Train looks whether a process has ended.
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ray(own):
    """A Ray of this machine, which the trainings of this process join."""
    ray = import_ray()
    ray.init("local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Lets a few lines take the place of the process that trains; ``folder`` is theirs, ``rank`` their number."""
    head = """
    import json, os, pathlib, signal, sys, time
    folder, rank = pathlib.Path(sys.argv[1]), os.environ["RANK"]
    """

    def install(lines):
        (tmp_path / "stand_in.py").write_text(textwrap.dedent(head) + textwrap.dedent(lines))
        (tmp_path / "run").mkdir()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(room, "WORKER", "stand_in")
        return tmp_path / "run"

    return install


def ended(pid):
    """Whether a process is gone, or goes soon."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)
    return True


def result(run_dir):
    return json.loads((run_dir / "result.json").read_text())


@pytest.mark.slow
@alone
def test_a_training_that_is_stopped_goes_on_with_the_numbers_of_one_process(own, request, tmp_path, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    fit(compose([*SMALL, "trainer=cpu", "callbacks.recovery.every_steps=1000"]), one)

    def stop():
        while not (two / "checkpoints" / "manifest.json").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(SystemExit) as left:
        fit(compose([*SMALL, *TWO]), two)
    assert left.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "told to stop: the state is saved" in capsys.readouterr().out
    # Of the Ray that was started here nothing is left; its processes were told to end, and take a moment.
    left_over = [p for p in psutil.process_iter(["cmdline"]) if str(own) in " ".join(p.info["cmdline"] or [])]
    assert psutil.wait_procs(left_over, timeout=20)[1] == []

    request.getfixturevalue("ray")
    fit(compose([*SMALL, *TWO]), two)
    assert "resuming from" in capsys.readouterr().out
    assert not (two / "ray").exists()
    assert result(two)["epochs"] == result(one)["epochs"]
    for split, metrics in result(one)["metrics"].items():
        assert result(two)["metrics"][split] == pytest.approx(metrics, rel=1e-3, abs=1e-4)
    weights = load_file(two / "network.safetensors")
    for name, tensor in load_file(one / "network.safetensors").items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@alone
def test_each_training_of_a_search_is_of_its_own_settings(ray, tmp_path):
    (tmp_path / "good.csv").write_text("a,y\n" + "".join(f"{i * 7 % 13 / 4},{i % 2}\n" for i in range(60)))
    (tmp_path / "bad.csv").write_text("a,z\n1,2\n")
    quick = ("data=table", "data.target=y", "model=linear", "logger=none", "trainer.max_epochs=2", "threads=1")
    words = (
        *quick,
        *TWO,
        "cluster.address=auto",
        "data.path=good.csv,bad.csv",
        f"hydra.sweep.dir={tmp_path / 'search'}",
    )
    done = subprocess.run(
        [sys.executable, "-m", "colonnade.cli", "train", "-m", *words],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    good, bad = (result(tmp_path / "search" / f"data.path={name}.csv") for name in ("good", "bad"))
    assert good["status"] == "finished"
    assert bad["status"] == "failed"
    assert "data.target=y is no column" in bad["error"]
    alone = fit(compose([*quick, "trainer=cpu", f"data.path='{tmp_path}/good.csv'"]), tmp_path / "alone")
    for split, metrics in alone["metrics"].items():
        assert good["metrics"][split] == pytest.approx(metrics, rel=1e-3, abs=1e-4)


@pytest.mark.slow
@alone
def test_processes_have_what_torchrun_gives_and_one_that_dies_is_told(ray, worker, monkeypatch, capsys):
    monkeypatch.setenv("COLONNADE_X", "handed on")
    run_dir = worker(
        f"""
        from torch import distributed, ones
        job = folder / {JOB!r}
        assert "seed: 7" in job.read_text()
        assert os.environ["COLONNADE_X"] == "handed on"
        assert distributed.is_torchelastic_launched()
        distributed.init_process_group("gloo")
        total = ones(1) * (int(rank) + 1)
        distributed.all_reduce(total)
        names = ("LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
        told = [os.environ[name] for name in names] + [oct(job.stat().st_mode & 0o777), total.item(), os.getpid()]
        (folder / rank).write_text(json.dumps(told))
        print("this is", rank, flush=True)
        distributed.barrier()
        if rank == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
        """
    )
    with pytest.raises(TrainingError) as told:
        launch(compose(["data=wine", "seed=7", *TWO]), run_dir, 2)
    log = run_dir / "ray" / "rank1.log"
    assert str(told.value) == (
        "one of 2 processes died without a message of its own (process 1 ended with status -9, the last line of "
        f"'{log}' is: this is 1); the same command goes on from the last checkpoint"
    )
    assert capsys.readouterr().out == "this is 0\n"
    assert {path.name for path in run_dir.iterdir()} == {"0", "1", "ray"}
    written = [json.loads((run_dir / rank).read_text()) for rank in ("0", "1")]
    assert [ranks[:-1] for ranks in written] == [[rank, "2", "2", "", "0o600", 3.0] for rank in ("0", "1")]
    assert ended(written[0][-1])


@pytest.mark.slow
@alone
def test_what_does_not_fit_is_told(ray, tmp_path):
    with pytest.raises(ConfigError, match=r"^Ray has no room for 2 processes with cluster.num_cpus=100 and "):
        launch(compose(["data=wine", *TWO, "cluster.num_cpus=100"]), tmp_path, 2)


def test_a_gpu_that_no_process_gets_is_told(tmp_path):
    cfg = compose(["data=wine", "trainer=gpu", "cluster=ray"])
    with pytest.raises(ConfigError, match=r"^trainer.accelerator=gpu: cluster.num_gpus=0 gives"):
        fit(cfg, tmp_path / "run")
    assert not (tmp_path / "run" / "schema.json").exists()


@pytest.mark.parametrize(("words", "expected"), [((), 1), (("trainer.devices=3",), 3), (("trainer.num_nodes=4",), 4)])
def test_number_of_processes(words, expected):
    assert processes(compose(["data=wine", "cluster=ray", *words])) == expected


def test_devices_of_another_machine_are_not_counted_here():
    with pytest.raises(ConfigError, match=r"trainer.devices=auto: with cluster= it is the number of processes"):
        check(compose(["data=wine", "cluster=ray", "trainer.devices=auto"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_cpus": 0}, "num_cpus must be above 0, got 0"),
        ({"num_gpus": 2}, "num_gpus must be 0 or 1, got 2"),
        ({"address": "ray://a:1"}, "address must be local, auto or host:port, got ray://a:1: Ray Train takes no "),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        RayTrain(**arguments)


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"cluster: ray is not installed: pip install 'colonnade\[ray\]'"):
        check(compose(["data=wine", "cluster=ray"]))


def test_the_trainer_counts_what_the_cluster_has_placed(monkeypatch, tmp_path):
    cfg = compose(["data=wine", *TWO, "trainer.devices=3"])
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"^trainer.devices=3: the cluster has put 2 of them on one node"):
        build_trainer(cfg, tmp_path)

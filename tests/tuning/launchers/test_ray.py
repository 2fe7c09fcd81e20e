import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from colonnade.core.errors import ConfigError, MissingExtraError, SearchError
from colonnade.tuning.launchers.ray import Ray

from .kit import bad_job_in, begun, ended, gone, job_in, log, processes, result

# Two Rays on one machine disturb each other; `make test` runs this file by itself.
pytestmark = [
    pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="Ray is tested in one process: make test"),
    # Its own processes, which it does not wait for.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.fixture(scope="module")
def own():
    """A folder and a token for Ray, so that nothing is left in the usual places, nor found there."""
    # The paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def local(own):
    """A Ray of this machine with room for two jobs."""
    with Ray(num_cpus=os.cpu_count() / 2) as launcher:
        yield launcher


def free_ports(n):
    """Ports above those that Ray gives to its workers."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def head(own):
    """The address of a Ray with room for one job that somebody else has started."""
    port, client = free_ports(2)
    folder = own / "head"
    ports = (f"--port={port}", f"--ray-client-server-port={client}")
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", *ports, "--num-cpus=1"]
    before = set(psutil.pids())
    done = subprocess.run(
        [*command, f"--temp-dir={folder}", "--include-dashboard=false"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield f"127.0.0.1:{port}"
    now = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
    ours = [p for p in now if str(folder) in " ".join(p.info["cmdline"] or [])]
    ours += [child for process in ours for child in process.children(recursive=True)]
    for process in ours:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(ours, timeout=5)


@pytest.mark.slow
def test_jobs_finish_or_fail_and_those_beyond_the_room_wait(local, tmp_path):
    handler = signal.getsignal(signal.SIGTERM)
    assert local.slots == 2
    assert signal.getsignal(signal.SIGTERM) is handler, "Ray's own would end the search with another status"
    jobs = [job_in(tmp_path / "one"), job_in(tmp_path / "two", "seed=1"), bad_job_in(tmp_path / "bad")]
    assert ended(*[local.start(job) for job in jobs]) == [0, 0, 1]
    assert [result(job)["status"] for job in jobs] == ["finished", "finished", "failed"]
    assert "missing.csv" in result(jobs[2])["error"]
    assert "missing.csv" in log(jobs[2])


@pytest.mark.slow
def test_a_job_that_is_stopped_goes_on_later_and_one_that_is_killed_is_gone(local, tmp_path):
    stopped, killed = job_in(tmp_path / "stopped", epochs=300), job_in(tmp_path / "killed", epochs=10**6)
    second = local.start(killed)
    begun(killed)
    # The one that has an end comes last, and is stopped at once.
    first = local.start(stopped)
    begun(stopped)
    first.stop()
    second.kill()
    assert second.poll() == -signal.SIGKILL
    gone(killed)
    assert ended(first) == [143]
    assert not (stopped.folder / "result.json").exists()
    assert ended(local.start(stopped)) == [0]
    assert result(stopped)["status"] == "finished"
    assert "resuming from" in log(stopped)


@pytest.mark.slow
def test_a_job_whose_actor_is_lost_saves_its_state(local, tmp_path):
    job = job_in(tmp_path / "lost", epochs=10**6)
    handle = local.start(job)
    begun(job)
    [process] = processes(job)
    # The job, the process that it was forked from, and the actor.
    process.parent().parent().kill()
    assert ended(handle) == [1]
    gone(job)
    assert "told to stop: the state is saved" in log(job)
    assert "the process of Ray that ran this job is lost" in log(job)


@pytest.mark.slow
def test_what_fits_on_no_node_is_told(local):
    with pytest.raises(ConfigError, match=r"^no node of Ray has room .* launcher.num_cpus=1000000 and num_gpus=0$"):
        _ = Ray(num_cpus=10**6).slots


@pytest.mark.slow
def test_a_ray_that_runs_is_joined_and_left_running(local, head, tmp_path):
    local.close()
    job, waits = job_in(tmp_path / "joined", epochs=10**6), job_in(tmp_path / "waits")
    with Ray(address=head) as launcher:
        assert launcher.slots == 1
        handle, second = launcher.start(job), launcher.start(waits)
        begun(job)
        second.stop()
        assert ended(second) == [143]
        assert not waits.folder.exists()
    assert handle.poll() == 143, "closing stops what runs"
    gone(job)
    host, port = head.split(":")
    socket.create_connection((host, int(port)), timeout=5).close()


def test_an_address_where_nobody_answers_is_told_soon():
    start = time.monotonic()
    with pytest.raises(SearchError, match=r"^launcher.address=127.0.0.1:1: Ray cannot be reached \(.*refused\); "):
        _ = Ray(address="127.0.0.1:1").slots
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_cpus": 0}, "num_cpus must be above 0, got 0"),
        ({"num_gpus": -1}, "num_gpus must be at least 0, got -1"),
        ({"slots": 0}, "slots must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Ray(**arguments)


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'colonnade\[ray\]'"):
        Ray()

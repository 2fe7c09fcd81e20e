import os
import re
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import forked
from colonnade.core.errors import ConfigError, MissingExtraError, SearchError
from colonnade.tuning.launchers import submission
from colonnade.tuning.launchers.slurm import Slurm

from .kit import bad_job_in, begun, ended, gone, job_in, log, processes, result

FAKE = Path(__file__).with_name("fake_slurm.py")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder of the state of a cluster that this machine pretends to be."""
    programs, state = tmp_path / "programs", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} {name} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_SLURM", str(state))
    monkeypatch.setattr(submission, "ASK", 0.5)
    yield state
    for path in state.glob("*.pid"):
        if psutil.pid_exists(int(path.read_text())):
            psutil.Process(int(path.read_text())).kill()


@pytest.fixture
def local(monkeypatch):
    """What submitit starts on this machine is forked, with all imports; jobs in the queue import for themselves."""

    def popen(command, shell, env):
        assert command[1] == "-m"
        return forked.start(command[3:], Path.cwd(), program=command[2], env=env)

    monkeypatch.setattr("submitit.local.local.subprocess", SimpleNamespace(Popen=popen))


@pytest.fixture(params=["local", "slurm"])
def launcher(request):
    """Jobs in processes of submitit, or in the queue of what pretends to be Slurm."""
    request.getfixturevalue("local" if request.param == "local" else "cluster")
    with Slurm(cluster=request.param, slots=3) as launcher:
        yield launcher


def stored(search):
    """Names and rights of what submitit has stored."""
    paths = sorted((search / ".submitit").rglob("*"))
    return {re.sub(r"\d+", "N", path.name): path.stat().st_mode & 0o777 for path in paths if path.is_file()}


@pytest.mark.slow
def test_jobs_finish_or_fail_and_nobody_reads_their_configuration(local, tmp_path):
    launcher = Slurm(cluster="local", slots=2)
    search = tmp_path / "my search"
    jobs = [job_in(search / "one"), bad_job_in(search / "bad")]
    handles = [launcher.start(job) for job in jobs]
    assert {path.stat().st_mode & 0o777 for path in (search / ".submitit").iterdir()} == {0o700}
    assert "N_submitted.pkl" in stored(search)
    while not all((job.folder / "train.log").exists() for job in jobs):
        time.sleep(0.05)
    # The status of a job that has ended may be there.
    assert "N_submitted.pkl" not in stored(search), "gone as soon as the job has read it"
    assert ended(*handles) == [0, 1]
    assert [result(job)["status"] for job in jobs] == ["finished", "failed"]
    assert "missing.csv" in result(jobs[1])["error"]
    launcher.close()
    assert sorted(path.name for path in search.iterdir()) == ["bad", "one"]


@pytest.mark.slow
def test_a_job_that_is_stopped_goes_on_later_and_one_that_is_killed_is_gone(launcher, tmp_path):
    stopped, killed = job_in(tmp_path / "stopped", epochs=300), job_in(tmp_path / "killed", epochs=10**6)
    second = launcher.start(killed)
    begun(killed)
    # The one that has an end comes last, and is stopped at once.
    first = launcher.start(stopped)
    begun(stopped)
    first.stop()
    second.kill()
    assert second.poll() == -signal.SIGKILL
    gone(killed)
    assert ended(first) == [143]
    assert not (stopped.folder / "result.json").exists()
    assert ended(launcher.start(stopped)) == [0]
    assert result(stopped)["status"] == "finished"
    assert "resuming from" in log(stopped)
    assert "submitit" not in log(stopped)
    assert "srun" not in log(stopped), "Lightning thinks that srun should start its processes"


@pytest.mark.slow
def test_a_job_that_dies_leaves_what_slurm_says_and_one_of_an_earlier_command_is_stopped(cluster, tmp_path):
    job = job_in(tmp_path / "job", epochs=10**6)
    earlier = Slurm()
    earlier.start(job)
    begun(job)
    # As after `kill -9`: nobody looks after the job any more.
    [orphan] = processes(job)
    with Slurm() as launcher:
        handle = launcher.start(job)
        psutil.wait_procs([orphan], timeout=20)
        while not processes(job) or "resuming from" not in log(job):
            time.sleep(0.05)
        assert "told to stop: the state is saved" in log(job)
        processes(job)[0].kill()
        assert ended(handle) == [1]
    assert "srun: error: task 0: ended with -9" in log(job)


def test_a_job_that_waits_is_taken_out_of_the_queue(cluster, tmp_path):
    (cluster / "full").touch()
    job = job_in(tmp_path / "job")
    words = {"partition": "long", "account": "us", "qos": "low", "constraint": "fast", "mem_gb": 1.5}
    with Slurm(cpus_per_task=3, gpus_per_node=2, timeout_min=7, **words) as launcher:
        assert launcher.slots == 8
        handle = launcher.start(job)
        handle.stop()
        assert ended(handle) == [143]
    assert not job.folder.exists()
    script = (cluster / "1.sh").read_text()
    told = dict(re.findall(r"#SBATCH --([\w-]+)=?(.*)", script))
    expected = {"partition": "long", "account": "us", "qos": "low", "constraint": "fast", "mem": "1536MB"}
    expected |= {"cpus-per-task": "3", "gpus-per-node": "2", "time": "7", "comment": "job"}
    assert expected.items() <= told.items()
    assert told["signal"] == "TERM@90", "what comes at the limit of time is what stops a job"
    assert "no-requeue" in told, "the search itself submits again"
    assert "--cpus-per-task=3" in script.partition("srun")[2]


def test_a_job_that_slurm_does_not_take(cluster, tmp_path):
    (tmp_path / "programs" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    with pytest.raises(
        SearchError, match=r"^launcher=slurm: the job is not taken \(sbatch: error: invalid partition\)$"
    ):
        Slurm().start(job_in(tmp_path / "job"))
    assert not stored(tmp_path)


def test_without_slurm_or_submitit(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^launcher=slurm: this machine has no sbatch; .* launcher.cluster=local"):
        Slurm()
    assert Slurm(cluster="local").slots == 1
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'colonnade\[slurm\]'"):
        Slurm(cluster="local")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cluster": "debug"}, "cluster must be slurm or local, got 'debug'"),
        ({"slots": 0}, "slots must be at least 1, got 0"),
        ({"timeout_min": 4}, "timeout_min must be at least 5, got 4"),
        ({"cpus_per_task": 0}, "cpus_per_task must be at least 1, got 0"),
        ({"gpus_per_node": -1}, "gpus_per_node must be at least 0, got -1"),
        ({"mem_gb": 0}, "mem_gb must be above 0, got 0"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Slurm(**arguments)

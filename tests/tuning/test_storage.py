"""Storages: two processes on one study, in the journal and in a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

import forked
from colonnade.core.errors import MissingExtraError
from colonnade.tuning.storage import storage

from .kit import studies

# Where Debian and Ubuntu put what is not for everybody.
PLACES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
PATH = os.pathsep.join([os.environ["PATH"], *PLACES])
pytestmark = pytest.mark.usefixtures("databases")
NOBODY = ("postgres", "nobody")
WORKER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tuning.kit import finish, lr, run_all, studies

def train(job):
    time.sleep(0.01)
    finish(job.folder, lr(job))

begin = Path({folder!r}) / "begin"
queue = studies(Path({folder!r}), n_trials=10, storage={url!r}, sampler="tpe")
begin.with_name(f"ready{{os.getpid()}}").touch()
while not begin.exists():
    time.sleep(0.01)
for job in run_all(queue, train):
    print(job.key, lr(job), flush=True)
"""


def shared(folder: Path, url: str | None) -> None:
    """Two processes run one search."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder.with_name("worker.py")
    script.write_text(WORKER.format(tests=str(Path(__file__).parents[1]), folder=str(folder), url=url))
    workers = [forked.start([], folder, program=str(script), together=True) for _ in range(2)]
    try:
        while len(list(folder.glob("ready*"))) < 2:
            assert all(worker.poll() is None for worker in workers), workers[0].communicate()
            time.sleep(0.01)
        (folder / "begin").touch()
        told = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert all(told), "both had something to do"
    done = [line.split() for lines in told for line in lines]
    assert Counter(key for key, _ in done) == {f"trial-{i:04d}": 1 for i in range(10)}
    assert len({rate for _, rate in done}) == 10, "a point for each trial"
    queue = studies(folder, n_trials=10, storage=url)
    assert {t.number: t.value for t in queue.studies[0].trials()} == {int(k[-4:]): float(rate) for k, rate in done}
    assert not queue.open()


def test_two_processes_share_a_journal(tmp_path):
    shared(tmp_path / "s", None)


@pytest.fixture(scope="module")
def server():
    """The URL of a PostgreSQL of our own, reached through a socket in a folder of its own."""
    initdb, postgres = (shutil.which(name, path=PATH) for name in ("initdb", "postgres"))
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed: no initdb and postgres")
    # The path of a socket must be short; a server refuses to be root.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = next((name for name in NOBODY if _exists(name)), None) if os.getuid() == 0 else None
    if os.getuid() == 0:
        if user is None or shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL refuses to be root, and there is nobody else to be")
        shutil.chown(folder, user)
    become = ["setpriv", f"--reuid={user}", "--clear-groups"] if user else []
    data = folder / "data"
    command = [*become, initdb, "-D", str(data), "-U", "me", "-A", "trust", "--no-sync"]
    made = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot be set up here: {made.stderr.strip()[-200:]}")
    command = [*become, postgres, "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-F"]
    said = folder / "said.txt"
    with said.open("w") as stream, subprocess.Popen(command, stdout=stream, stderr=stream, cwd="/") as process:
        try:
            url = f"postgresql+psycopg://me@/postgres?host={folder}"
            _answers(url, process, said)
            yield url
        finally:
            # At once, although we are connected.
            process.send_signal(signal.SIGINT)
    shutil.rmtree(folder, ignore_errors=True)


def _exists(user: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _answers(url: str, process: subprocess.Popen, said: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(url.replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.skip(f"PostgreSQL does not start here: {said.read_text()[-200:]}")


def test_two_processes_share_a_postgresql(tmp_path, server):
    shared(tmp_path / "s", server)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(tmp_path, server):
    queue = studies(tmp_path / "again", n_trials=1, storage=server, name="again")
    assert queue.next().key == "trial-0000"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as own:
        own.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    assert queue.open()


def test_a_driver_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'colonnade\[postgresql\]'"):
        storage("postgresql+psycopg://me@/x", tmp_path)

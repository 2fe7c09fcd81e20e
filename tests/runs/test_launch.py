import signal
import textwrap

import pytest

import forked
from colonnade.config.compose import compose
from colonnade.core.errors import ColonnadeError, DataError, TrainingError
from colonnade.runs import launch as room
from colonnade.runs.launch import ERROR, JOB, launch, note_error, processes


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Lets a few lines take the place of the worker; ``folder`` is theirs to write into, ``rank`` their number."""

    def install(lines):
        head = "import json, os, pathlib, sys, time\nfolder, rank = pathlib.Path(sys.argv[1]), os.environ['RANK']\n"
        (tmp_path / "stand_in.py").write_text(head + textwrap.dedent(lines))
        (tmp_path / "run").mkdir()
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(room, "WORKER", "stand_in")
        return tmp_path / "run"

    return install


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trainer=cpu"], 1),
        (["trainer=ddp"], 2),
        (["trainer=ddp", "trainer.devices=3"], 3),
        # Lightning would take the strategy to be ddp, and start its own children.
        (["trainer=gpu", "trainer.devices=4"], 4),
        (["trainer=gpu", "trainer.devices=[0,2]"], 2),
        (["trainer=cpu", "trainer.devices=auto"], 1),
        (["trainer=cpu", "trainer.devices=-1"], 1),
    ],
)
def test_processes(words, expected):
    assert processes(compose(["data=wine", *words])) == expected


def test_a_process_of_several_starts_no_others(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes(compose(["data=wine", "trainer=ddp"])) == 1


def test_workers_read_the_job_that_nobody_else_may_read_and_it_is_gone_afterwards(worker):
    run_dir = worker(
        f"""
        job = folder / {JOB!r}
        assert "seed: 7" in job.read_text()
        (folder / rank).write_text(oct(job.stat().st_mode & 0o777))
        """
    )
    # What lies there already, and may be anybody's, does not decide who may read.
    (run_dir / JOB).touch(0o644)
    launch(compose(["data=wine", "seed=7"]), run_dir, 2)
    assert {p.name: p.read_text() for p in run_dir.iterdir()} == {"0": "0o600", "1": "0o600"}


def test_an_error_of_a_worker_is_raised_as_what_it_was(worker):
    run_dir = worker(
        f"""
        if rank == "1":
            (folder / {ERROR!r}).write_text(json.dumps({{"type": "DataError", "text": "no train rows"}}))
            sys.exit(1)
        time.sleep(60)
        """
    )
    with pytest.raises(DataError, match=r"^no train rows$"):
        launch(compose(["data=wine"]), run_dir, 2)
    assert not list(run_dir.iterdir())


def test_an_error_with_more_than_a_text_keeps_its_text(tmp_path):
    from colonnade.core.errors import MissingExtraError

    note_error(tmp_path, MissingExtraError("sqlalchemy", "sql"))
    assert str(room._failure(tmp_path / ERROR, 2)) == "sqlalchemy is not installed: pip install 'colonnade[sql]'"
    assert type(room._failure(tmp_path / ERROR, 2)) is TrainingError
    assert issubclass(MissingExtraError, ColonnadeError)


def test_a_worker_that_dies_is_told(worker):
    run_dir = worker('if rank == "1": os.kill(os.getpid(), 9)\ntime.sleep(60)\n')
    with pytest.raises(TrainingError, match="one of 2 processes died without a message of its own"):
        launch(compose(["data=wine"]), run_dir, 2)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_every_worker_and_is_the_exit_status(worker, tmp_path, number, status):
    run_dir = worker(
        """
        import signal

        def leave(number, frame):
            (folder / f"stopped{rank}").touch()
            sys.exit(0)

        signal.signal(signal.SIGTERM, leave)
        # Forked workers begin before torchrun, which hands the signal on, has noted that it has started them.
        time.sleep(1)
        (folder / f"started{rank}").touch()
        time.sleep(60)
        """
    )
    script = tmp_path / "launches.py"
    script.write_text(
        "import sys; from colonnade.config.compose import compose; from colonnade.runs import launch as room\n"
        "from pathlib import Path\n"
        "room.WORKER = 'stand_in'; room.launch(compose(['data=wine']), Path(sys.argv[1]), 2)\n"
    )
    process = forked.start([str(run_dir)], tmp_path, program=str(script))
    while not all((run_dir / f"started{rank}").exists() for rank in "01"):
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=60) == status
    assert all((run_dir / f"stopped{rank}").exists() for rank in "01")

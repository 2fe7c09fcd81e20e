"""The worker: slots, limits of time, ends of every kind, on jobs that end when they are told to."""

from __future__ import annotations

import signal
import time

import pytest

from colonnade.tuning import worker
from colonnade.tuning.claims import Claims
from colonnade.tuning.grid import Grid
from colonnade.tuning.job import Job
from colonnade.tuning.queue import result_of
from colonnade.tuning.settings import Tune
from colonnade.tuning.worker import work

from .kit import Ended, Fake, another, cell, config, finish, gone, statuses, studies


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(worker, "LOOK", 0.01)


@pytest.fixture
def grid(tmp_path):
    """A search of a number of cells, with a claims object of its own."""

    def make(n, claims=None):
        claims = claims or Claims(tmp_path)
        return Grid([cell(f"seed={i}", cfg=config(f"seed={i}")) for i in range(n)], tmp_path, claims), claims

    return make


def go(queue, claims, launcher, update=lambda running: None, **tune):
    work(queue, launcher, claims, Tune(**tune), update)
    assert claims.living() == []


def errors(queue):
    return {row.key: (row.result or {}).get("error") for row in queue.rows()}


def test_the_slots_are_kept_full(grid):
    queue, claims = grid(7)
    seen = []

    def update(running):
        seen.append(len(running))
        if running:
            # The oldest ends.
            finish(running[0].job.folder)
            running[0].handle.code = 0

    launcher = Fake(lambda job: None, slots=3)
    go(queue, claims, launcher, update)
    assert seen == [3, 3, 3, 3, 3, 2, 1], "the next begins as soon as one has ended"
    assert set(statuses(queue.rows()).values()) == {"finished"}
    assert [job.key for job in launcher.started] == [f"seed={i}" for i in range(7)]


def test_no_job_is_begun_after_the_time_is_up_and_those_that_run_may_end(grid):
    queue, claims = grid(3)
    begun = time.monotonic()

    def update(running):
        if running and time.monotonic() - begun > 0.2:
            finish(running[0].job.folder)
            running[0].handle.code = 0

    launcher = Fake(lambda job: None)
    go(queue, claims, launcher, update, timeout=0.05)
    assert statuses(queue.rows()) == {"seed=0": "finished", "seed=1": "waiting", "seed=2": "waiting"}
    assert launcher.handles[0].asked == []


def test_a_job_that_takes_too_long_is_stopped_and_has_failed(grid):
    queue, claims = grid(2)

    def train(job):
        if job.key == "seed=0":
            return Ended(None)
        finish(job.folder)
        return 0

    launcher = Fake(train)
    go(queue, claims, launcher, job_timeout=0.05)
    assert launcher.handles[0].asked == ["stop"]
    assert statuses(queue.rows()) == {"seed=0": "failed", "seed=1": "finished"}
    assert errors(queue)["seed=0"] == "TrainingError: took longer than tune.job_timeout=0.05 seconds; see train.log"


def test_a_job_that_does_not_stop_is_ended(grid, monkeypatch):
    monkeypatch.setattr(worker, "GRACE", 0.05)
    queue, claims = grid(1)
    launcher = Fake(lambda job: Ended(None, stops=None))
    go(queue, claims, launcher, job_timeout=0.05)
    assert launcher.handles[0].asked == ["stop", "kill"]
    assert statuses(queue.rows()) == {"seed=0": "failed"}


def test_what_finishes_while_it_is_stopped_has_finished(grid):
    queue, claims = grid(1)

    class Last(Ended):
        def stop(self):
            finish(queue._folders["seed=0"])
            super().stop()

    go(queue, claims, Fake(lambda job: Last(None)), job_timeout=0.05)
    assert statuses(queue.rows()) == {"seed=0": "finished"}


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (1, "epoch 1\nValueError: no\n\n", "ended with status 1: ValueError: no"),
        (3, None, "ended with status 3: it left no message"),
        (0, "", "ended with status 0: it left no message"),
        (-signal.SIGKILL, "x", "killed by signal 9; on a full machine the system kills what takes the most memory"),
        (-signal.SIGSEGV, "x", "killed by signal 11"),
    ],
)
def test_a_job_that_dies_is_recorded_and_the_search_goes_on(grid, code, said, error):
    queue, claims = grid(2)

    def train(job):
        if job.key == "seed=1":
            finish(job.folder)
            return 0
        if said is not None:
            job.folder.mkdir()
            (job.folder / "train.log").write_text(said)
        return code

    go(queue, claims, Fake(train))
    assert statuses(queue.rows()) == {"seed=0": "failed", "seed=1": "finished"}
    assert errors(queue)["seed=0"] == f"TrainingError: {error}; see train.log"


def test_a_job_that_dies_while_it_is_timed_has_failed_and_is_not_timed_for_ever(tmp_path):
    claims = Claims(tmp_path)
    queue = studies(tmp_path, n_trials=1, claims=claims, objectives=["min:val/rmse", "min:latency"], sampler="nsga2")

    def train(job):
        finish(job.folder)
        return -signal.SIGKILL

    go(queue, claims, Fake(train), sampler="nsga2")
    [row] = queue.rows()
    assert (row.status, row.result["metrics"]) == ("failed", {"val": {"rmse": 1.0}})


@pytest.mark.parametrize("code", [143, -signal.SIGTERM])
def test_a_job_that_was_stopped_from_outside_is_run_again(grid, code, caplog):
    queue, claims = grid(1)

    def train(job):
        if len(launcher.started) == 1:
            return code
        finish(job.folder)
        return 0

    launcher = Fake(train)
    go(queue, claims, launcher)
    assert [job.key for job in launcher.started] == ["seed=0", "seed=0"]
    assert "'seed=0' was stopped, or its folder is in use (see its train.log): it is run again" in caplog.text


def test_the_jobs_of_others_are_waited_for(grid, tmp_path):
    other, theirs = grid(2, another(tmp_path))
    job = other.next()
    queue, claims = grid(2)

    def update(running):
        if not running and time.monotonic() - begun > 0.1 and result_of(job.folder) is None:
            finish(job.folder)
            other.settle(job)

    def train(mine):
        finish(mine.folder)
        return 0

    begun = time.monotonic()
    launcher = Fake(train)
    go(queue, claims, launcher, update)
    assert [mine.key for mine in launcher.started] == ["seed=1"]
    assert set(statuses(queue.rows()).values()) == {"finished"}


def test_the_jobs_of_somebody_who_dies_meanwhile_are_taken_over(grid, tmp_path):
    other, theirs = grid(1, another(tmp_path))
    other.next()
    queue, claims = grid(1)

    def train(job):
        finish(job.folder)
        return 0

    go(queue, claims, Fake(train), lambda running: gone(theirs) if theirs.living() else None)
    assert statuses(queue.rows()) == {"seed=0": "finished"}


@pytest.mark.parametrize("error", [SystemExit(143), KeyboardInterrupt(), OSError("disk")])
def test_whatever_ends_it_jobs_are_stopped_and_claims_are_gone(grid, error):
    queue, claims = grid(3)

    def update(running):
        raise error

    launcher = Fake(lambda job: Ended(None), slots=2)
    with pytest.raises(type(error)):
        work(queue, launcher, claims, Tune(), update)
    assert [handle.asked for handle in launcher.handles] == [["stop"], ["stop"]]
    assert claims.living() == []
    assert statuses(queue.rows()) == {f"seed={i}": "waiting" for i in range(3)}, "none has failed"


def test_what_ends_while_the_search_is_stopped_is_told(tmp_path):
    claims = Claims(tmp_path)
    queue = studies(tmp_path, n_trials=2, claims=claims)

    class Last(Ended):
        def stop(self):
            finish(tmp_path / "trial-0000", 0.5)
            super().stop()

    def update(running):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(queue, Fake(lambda job: Last(None)), claims, Tune(sampler="random"), update)
    assert queue.studies[0].trials()[0].value == 0.5


def test_a_job_that_was_taken_over_is_ended_and_not_recorded(grid, tmp_path, caplog):
    queue, claims = grid(1)
    claims._every = 0.0
    other, theirs = grid(1, another(tmp_path))

    def update(running):
        if theirs.living() == ["seed=0"] and not theirs.mine("seed=0"):
            # This machine gave no sign of life.
            gone(claims)
            assert other.next().key == "seed=0"
        elif not running:
            finish(tmp_path / "seed=0", 7.0)
            other.settle(Job("seed=0", tmp_path / "seed=0", ""))

    launcher = Fake(lambda job: Ended(None))
    go(queue, claims, launcher, update)
    assert launcher.handles[0].asked == ["kill"]
    assert "'seed=0' is trained by another worker now" in caplog.text
    assert queue.rows()[0].result["metrics"] == {"val": {"rmse": 7.0}}


def test_the_late_failure_of_a_job_that_was_taken_over_is_not_recorded(grid, tmp_path):
    queue, claims = grid(1)
    other, theirs = grid(1, another(tmp_path))
    handle = Ended(None)

    def update(running):
        if running:
            gone(claims)
            assert other.next().key == "seed=0"
            handle.code = 1
        elif not (tmp_path / "seed=0").exists():
            finish(tmp_path / "seed=0")
            other.settle(Job("seed=0", tmp_path / "seed=0", ""))

    go(queue, claims, Fake(lambda job: handle), update)
    assert statuses(queue.rows()) == {"seed=0": "finished"}

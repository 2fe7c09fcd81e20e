"""Grids: which cell is run when, on trainings that end at once."""

from __future__ import annotations

import json

import pytest

from colonnade.config.record import config_hash
from colonnade.core.errors import SearchError
from colonnade.runs.folder import RunFolder
from colonnade.tuning.claims import Claims
from colonnade.tuning.grid import Grid

from .kit import another, cell, config, fail, finish, gone, run_all, statuses


def cells(n: int, **words: int):
    settings = [f"model.{key}={value}" for key, value in words.items()]
    return [cell(f"seed={i}", cfg=config(f"seed={i}", *settings)) for i in range(n)]


def grid(folder, n: int = 3, *, claims=None, retry: bool = False, **words: int) -> Grid:
    folder.mkdir(exist_ok=True)
    return Grid(cells(n, **words), folder, claims or Claims(folder), retry_failed=retry)


def train(job) -> None:
    folder = RunFolder(job.folder)
    seed = int(job.key.partition("=")[2])
    folder.path.mkdir(exist_ok=True)
    folder.record(config_hash(config(f"seed={seed}")), "", {})
    fail(job.folder) if seed == 1 else finish(job.folder)


def keys(jobs) -> list[str]:
    return [job.key for job in jobs]


def test_every_cell_is_run_once_and_a_grid_that_grew_runs_what_is_new(tmp_path):
    queue = grid(tmp_path)
    assert statuses(queue.rows()) == {f"seed={i}": "waiting" for i in range(3)}
    assert keys(run_all(queue, train)) == ["seed=0", "seed=1", "seed=2"]
    assert statuses(queue.rows()) == {"seed=0": "finished", "seed=1": "failed", "seed=2": "finished"}
    assert not queue.open()
    assert keys(run_all(grid(tmp_path, 4), train)) == ["seed=3"]
    assert run_all(grid(tmp_path, 2), train) == []


def test_the_job_is_that_of_its_cell(tmp_path):
    job = grid(tmp_path).next()
    assert (job.folder, job.monitor, job.latency) == (tmp_path / "seed=0", "val/rmse", False)
    assert "seed: 0" in job.config


def test_cells_are_shared(tmp_path):
    first, second = grid(tmp_path), grid(tmp_path, claims=another(tmp_path))
    jobs = [first.next(), second.next(), first.next()]
    assert keys(jobs) == ["seed=0", "seed=1", "seed=2"]
    assert second.next() is None
    assert second.open()
    assert statuses(second.rows()) == {f"seed={i}": "running" for i in range(3)}
    for queue, job in zip((first, second, first), jobs):
        train(job)
        queue.settle(job)
    assert not second.open()
    assert statuses(first.rows()) == statuses(second.rows())


def test_what_was_cut_off_is_run_again_and_what_has_ended_is_not(tmp_path):
    first = grid(tmp_path)
    one, two = first.next(), first.next()
    gone(first._claims)
    # The worker was killed before it heard of the end.
    train(one)
    assert keys(run_all(grid(tmp_path), train)) == [two.key, "seed=2"]


def test_a_result_that_appears_in_between_is_seen(tmp_path, monkeypatch):
    queue = grid(tmp_path, 1)
    take = queue._claims.take

    def ends_meanwhile(key):
        finish(tmp_path / key)
        return take(key)

    monkeypatch.setattr(queue._claims, "take", ends_meanwhile)
    assert queue.next() is None
    assert queue._claims.living() == []
    assert not queue.open()


def test_failed_cells_are_tried_again_once_by_whoever_comes_first(tmp_path):
    run_all(grid(tmp_path), train)
    first, second = grid(tmp_path, retry=True), grid(tmp_path, retry=True, claims=another(tmp_path))
    bystander = grid(tmp_path, claims=another(tmp_path))
    job = first.next()
    assert job.key == "seed=1"
    assert not (job.folder / "result.json").exists()
    assert second.next() is None
    assert second.open()
    assert statuses(bystander.rows())["seed=1"] == "running"
    finish(job.folder)
    first.settle(job)
    # The second knew of the failure, but not of this result.
    assert second.next() is None
    assert not second.open()
    for queue in (first, second, bystander):
        assert set(statuses(queue.rows()).values()) == {"finished"}


def test_a_cell_that_fails_again_is_left_alone(tmp_path):
    run_all(grid(tmp_path), train)
    first, second = grid(tmp_path, retry=True), grid(tmp_path, retry=True, claims=another(tmp_path))
    assert keys(run_all(first, train)) == ["seed=1"]
    assert run_all(second, train) == []
    assert not first.open()
    assert not second.open()


def test_a_retry_that_was_killed_goes_on(tmp_path):
    run_all(grid(tmp_path), train)
    first, second = grid(tmp_path, retry=True), grid(tmp_path, retry=True, claims=another(tmp_path))
    first.next()
    gone(first._claims)
    assert second.next().key == "seed=1"
    assert second.next() is None


def test_a_worker_that_comes_back_late_leaves_the_claim_of_the_next(tmp_path):
    first = grid(tmp_path)
    job = first.next()
    gone(first._claims)
    second = grid(tmp_path, claims=another(tmp_path))
    assert second.next().key == job.key
    first.settle(job)
    assert second._claims.living() == [job.key]


def test_another_configuration_under_the_same_words_is_refused(tmp_path):
    run_all(grid(tmp_path), train)
    with pytest.raises(SearchError) as error:
        grid(tmp_path, width=32)
    assert str(error.value).startswith("search (3):")
    assert f"'{tmp_path}/seed=0' was trained with another configuration (see its config.yaml)" in str(error.value)
    assert "fresh=true puts the search aside" in str(error.value)


def test_rows_are_made_again_only_where_something_happened(tmp_path):
    queue = grid(tmp_path)
    run_all(queue, train)
    before = queue.rows()
    assert before[1].settings == {"seed": "1"}
    assert all(now is then for now, then in zip(queue.rows(), before))
    (tmp_path / "seed=1" / "result.json").unlink()
    assert statuses(queue.rows())["seed=1"] == "waiting"
    finish(tmp_path / "seed=1", 3.0)
    assert queue.rows()[1].result["metrics"] == {"val": {"rmse": 3.0}}


def test_a_torn_result_is_none(tmp_path):
    queue = grid(tmp_path, 1)
    finish(tmp_path / "seed=0")
    path = tmp_path / "seed=0" / "result.json"
    path.write_text(path.read_text()[:20])
    assert queue.open()
    path.write_text(json.dumps({"status": "thinking"}))
    assert queue.open()


def test_cells_of_one_model_and_data_set_are_divided_into_packs(tmp_path):
    from colonnade.config.compose import compose

    cells = [
        cell(f"model={model},seed={seed}", cfg=compose([f"model={model}", "data=breast_cancer", f"seed={seed}"]))
        for model in ("mlp", "linear", "dummy")
        for seed in range(3)
    ]
    claims = Claims(tmp_path)
    finish(tmp_path / cells[0].key)
    grid = Grid(cells, tmp_path, claims, packs=2)
    jobs = []
    while (job := grid.next()) is not None:
        jobs.append([member.key for member in job.members])
    mlp, linear, dummy = ([c.key for c in cells[i : i + 3]] for i in (0, 3, 6))
    # The first of its pack has ended: the other is trained without it.
    assert jobs == [mlp[1:2], mlp[2:], linear[:2], linear[2:], dummy[:1], dummy[1:2], dummy[2:]]
    assert claims.held(linear[1])


def test_the_cells_of_a_pack_are_given_back_together(tmp_path):
    from colonnade.config.compose import compose

    cells = [cell(f"seed={seed}", cfg=compose(["data=breast_cancer", f"seed={seed}"])) for seed in range(3)]
    grid = Grid(cells, tmp_path, Claims(tmp_path), packs=1)
    job = grid.next()
    assert [member.key for member in job.members] == ["seed=0", "seed=1", "seed=2"]
    assert grid.next() is None
    grid.settle(job)
    assert len(grid.next().members) == 3

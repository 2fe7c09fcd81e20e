"""What a search leaves for people."""

from __future__ import annotations

import sys

from colonnade.tuning.plan import Plan
from colonnade.tuning.publish import pareto, publish

from .kit import cell, fail, finish, lr, run_all, studies

GOALS = {"sampler": "nsga2", "objectives": ["min:val/rmse", "min:parameters"]}


def test_everything_of_a_search_with_several_objectives(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    cells = (cell("model=a"), cell("model=b"))
    queue = studies(tmp_path / "mine", *cells, n_trials=3, **GOALS)

    def train(job):
        if job.key == "model=b/trial-0002":
            return fail(job.folder, "TrainingError: x")
        number = int(job.key[-1])
        word = f"optim.lr={lr(job):g}"
        return finish(job.folder, 3.0 - number, parameters=number // 2, overrides=[word])

    run_all(queue, train)
    publish(queue, queue.rows(), tmp_path / "mine", Plan("plan", cells, ("model", "optim.lr"), ()))
    folder = tmp_path / "mine"
    assert {path.name for path in (folder / "model=a" / "figures").iterdir()} >= {"history.png", "pareto.png"}
    page = (folder / "leaderboard.html").read_text()
    assert page.count("data:image/png;base64") >= 4
    assert "TrainingError: x" in page
    out = capsys.readouterr().out
    assert "Pareto set of val/rmse, parameters:\n  model=a/trial-0002: val/rmse 1, parameters 1\n" in out
    assert "  model=a/trial-0001: val/rmse 2, parameters 0\n" in out
    assert "best again  python train.py optim.lr=" in out
    assert "leaderboard  mine/leaderboard.html\n" in out
    assert list((folder / "tensorboard" / "search").rglob("*tfevents*"))


def test_one_objective_has_no_pareto_set(tmp_path):
    queue = studies(tmp_path, n_trials=2)
    run_all(queue, lambda job: finish(job.folder))
    assert pareto(queue.studies[0]) == []


def test_trials_of_an_earlier_search_are_not_named_as_ones_of_this(tmp_path):
    run_all(studies(tmp_path / "before", n_trials=1, name="b", **GOALS), lambda job: finish(job.folder, 0.1))
    queue = studies(tmp_path / "after", n_trials=1, warm_start=str(tmp_path / "before"), **GOALS)
    run_all(queue, lambda job: finish(job.folder, 0.5, parameters=1))
    assert pareto(queue.studies[0]) == ["Pareto set of val/rmse, parameters:\n  trial-0000: val/rmse 0.5, parameters 1"]

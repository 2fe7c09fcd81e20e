"""The studies of one search: warm starts, what they refuse, and outer choices."""

from __future__ import annotations

import json
import shutil

import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, SearchError
from colonnade.tuning.studies import monitored

from .kit import SPACE, another, cell, config, epochs, fail, finish, gone, lr, run_all, statuses, studies

pytestmark = pytest.mark.usefixtures("databases")


def train(job) -> None:
    finish(job.folder, lr(job), parameters=round(1000 * lr(job)))


def trials(queue, i=0):
    return queue.studies[i].trials()


def test_each_outer_choice_has_a_study_of_its_own_and_all_are_served_in_turn(tmp_path):
    queue = studies(tmp_path, cell("model=a"), cell("model=b"), n_trials=2)
    jobs = run_all(queue, train)
    assert [job.key for job in jobs] == [f"model={m}/trial-{i:04d}" for i in (0, 1) for m in "ab"]
    assert [len(trials(queue, i)) for i in (0, 1)] == [2, 2]
    assert {row.settings["model"] for row in queue.rows()} == {"a", "b"}
    assert not queue.open()
    more = run_all(studies(tmp_path, cell("model=a"), cell("model=b"), cell("model=c"), n_trials=2), train)
    assert [job.key for job in more] == ["model=c/trial-0000", "model=c/trial-0001"]


@pytest.mark.parametrize(
    ("words", "goal"),
    [([], ("val/log_loss", "min")), (["task.monitor=val/auroc", "task.mode=max"], ("val/auroc", "max"))],
)
def test_what_is_optimised_on_a_table_of_ones_own_is_what_its_task_monitors(tmp_path, words, goal):
    (tmp_path / "own.csv").write_text("x,y\n" + "\n".join(f"{i},{'no' if i % 3 else 'yes'}" for i in range(30)))
    cfg = compose([f"data.path={tmp_path}/own.csv", "data.target=y", *words])
    found = monitored(cfg)
    assert (found.name, found.mode) == goal


def test_one_study_that_has_ended_leaves_the_slots_to_the_others(tmp_path):
    run_all(studies(tmp_path, cell("model=a"), n_trials=3), train)
    jobs = run_all(studies(tmp_path, cell("model=a"), cell("model=b"), n_trials=3), train)
    assert [job.key for job in jobs] == [f"model=b/trial-{i:04d}" for i in range(3)]


def test_trials_of_an_earlier_search_are_known_and_not_counted(tmp_path):
    def some_fail(job):
        fail(job.folder) if job.key == "trial-0001" else train(job)

    before = studies(tmp_path / "before", n_trials=4, name="b")
    run_all(before, some_fail)
    later = {"warm_start": str(tmp_path / "before"), "n_trials": 2, "constraints": ["parameters<=30"]}
    queue = studies(tmp_path / "after", **later)
    assert [trial.state.name for trial in trials(queue)] == ["WAITING", *["COMPLETE"] * 3]
    jobs = run_all(queue, train)
    # Trial 0 waited; those that are known lie in between.
    assert [job.key for job in jobs] == ["trial-0000", "trial-0004"]
    for old, new in zip([t for t in trials(before) if t.state.name == "COMPLETE"], trials(queue)[1:4]):
        assert (new.params, new.value) == (old.params, old.value)
        assert new.constraints == {"parameters<=30": round(1000 * old.params["optim.lr"]) - 30.0}
    assert set(statuses(queue.rows())) == {"trial-0000", "trial-0004"}, "they have rows elsewhere"
    again = studies(tmp_path / "after", **later)
    values = sorted(trial.value for trial in trials(again))
    assert len(values) == 5, "each is brought once"
    # From hand to hand, also when the search in between was moved or put aside.
    (tmp_path / "after").rename(tmp_path / "moved")
    third = studies(tmp_path / "third", warm_start=str(tmp_path / "moved"), name="third")
    known = [t for t in trials(third) if t.state.name == "COMPLETE"]
    assert sorted(trial.value for trial in known) == values


def test_only_what_lies_in_the_space_is_brought_and_measured_as_now(tmp_path):
    values = iter([0.01, 0.05, 0.09])
    points = [{"optim.lr": value, "model.width": 8} for value in (0.05, 0.09)]
    before = studies(tmp_path / "before", n_trials=3, points=points, name="b")
    run_all(before, lambda job: finish(job.folder, next(values), metrics={"val": {"rmse": 1.0, "r2": lr(job)}}))
    shutil.rmtree(tmp_path / "before" / "trial-0001")
    narrow = cell(space={"optim.lr": "interval(0.02, 0.1)", "model.width": SPACE["model.width"], "seed": "range(0,9)"})
    queue = studies(tmp_path / "after", narrow, warm_start=str(tmp_path / "before"), objectives=["max:val/r2"])
    known = [trial for trial in trials(queue) if trial.state.name == "COMPLETE"]
    assert [(trial.params, trial.value) for trial in known] == [(points[1], 0.09)]
    run_all(queue, lambda job: finish(job.folder, metrics={"val": {"r2": 0.5}}))
    assert len(queue.rows()) == 5


def test_a_warm_start_that_brings_nothing_is_told(tmp_path):
    def told(*cells, **tune):
        with pytest.raises(ConfigError) as error:
            studies(tmp_path / "after", *cells, **tune)
        return str(error.value).replace(str(tmp_path), "")

    assert "'nowhere' holds no search (no sweep.json)" in told(warm_start="nowhere")
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "sweep.json").write_text('{"study": null}')
    assert "'/grid' holds a grid" in told(warm_start=str(tmp_path / "grid"))
    studies(tmp_path / "before", cell("model=a"), name="b")
    assert told(cell("model=b"), warm_start=str(tmp_path / "before")) == (
        "tune.warm_start: of the studies of '/before' ('model=a') none is here ('model=b')"
    )
    (tmp_path / "before" / "journal.log").unlink()
    assert "are in a database: tune.storage= names it" in told(cell("model=a"), warm_start=str(tmp_path / "before"))
    assert "is this search, which goes on by itself" in told(warm_start=str(tmp_path / "after"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"cells": [cell("model=a", cfg=config("model.depth=3"))]}, "was begun with another configuration"),
        ({"objectives": ["max:val/r2"]}, "was begun with other objectives (min:val/rmse)"),
        ({"objectives": ["min:val/rmse", "min:parameters"]}, "was begun with other objectives (min:val/rmse)"),
        ({"constraints": ["parameters<=9"]}, "was begun with other constraints (none)"),
        (
            {"cells": [cell("model=a", {**SPACE, "optim.name": "choice(adam,adamw,sgd)"})]},
            "sampled optim.name from CategoricalDistribution(choices=('adam', 'adamw')), which cannot become",
        ),
    ],
)
def test_a_study_that_was_begun_with_other_settings_is_refused(tmp_path, change, text):
    mine = cell("model=a", {**SPACE, "optim.name": "choice(adam,adamw)"})
    run_all(studies(tmp_path, mine, n_trials=2), train)
    cells = change.pop("cells", [mine])
    with pytest.raises(SearchError) as error:
        studies(tmp_path, *cells, n_trials=3, **change)
    assert text in str(error.value)
    assert str(error.value).startswith("search: the study 'model=a' ")
    assert "fresh=true begins anew" in str(error.value)
    # Nothing of it is kept.
    assert len(run_all(studies(tmp_path, mine, n_trials=3), train)) == 1


def test_bounds_may_move_and_dimensions_come_and_go(tmp_path):
    run_all(studies(tmp_path, n_trials=2), train)
    queue = studies(
        tmp_path, cell(space={"optim.lr": "tag(log, interval(1e-5, 1e-3))", "seed": "range(0,9)"}), n_trials=4
    )
    assert all(lr(job) < 1e-3 for job in run_all(queue, train))
    assert len(queue.rows()) == 4


def test_folders_of_trials_that_the_study_does_not_know_are_not_taken_for_its_own(tmp_path):
    run_all(studies(tmp_path, n_trials=2), train)
    (tmp_path / "journal.log").unlink()
    with pytest.raises(SearchError, match=r"knows nothing of '.*trial-000\d': its journal or database was removed"):
        studies(tmp_path, n_trials=2)


def test_a_search_that_was_moved_goes_on(tmp_path):
    run_all(studies(tmp_path / "here", n_trials=2), train)
    (tmp_path / "here").rename(tmp_path / "there")
    assert [job.key for job in run_all(studies(tmp_path / "there", n_trials=3), train)] == ["trial-0002"]


def test_a_journal_torn_by_a_kill_is_mended(tmp_path):
    run_all(studies(tmp_path, n_trials=1), train)
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    journal.write_bytes(whole + last[: len(last) // 2])
    assert len(run_all(studies(tmp_path, n_trials=2), train)) == 1
    assert all(json.loads(line) for line in journal.read_text().splitlines())
    assert len(trials(studies(tmp_path, n_trials=2))) == 2


def test_the_journal_of_a_worker_that_was_killed_is_not_locked(tmp_path):
    queue = studies(tmp_path, n_trials=1)
    # As Optuna's own lock would be left.
    (tmp_path / "journal.log.lock").symlink_to(tmp_path / "journal.log")
    assert len(run_all(queue, train)) == 1


def test_a_database_keeps_the_studies_of_several_searches(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    first = studies(tmp_path / "one" / "s", n_trials=2, storage=url, name="s-1")
    second = studies(tmp_path / "two" / "s", n_trials=2, storage=url, name="s-2")
    assert len(run_all(first, train)) == len(run_all(second, train)) == 2
    assert not (tmp_path / "one" / "s" / "journal.log").exists()
    both = studies(tmp_path / "one" / "s", n_trials=4, storage=url, name="s-1")
    other = studies(tmp_path / "one" / "s", n_trials=4, storage=url, name="s-1", claims=another(tmp_path / "one" / "s"))
    mine, yours = both.next(), other.next()
    assert {mine.key, yours.key} == {"trial-0002", "trial-0003"}
    gone(both.studies[0]._claims)
    again = studies(tmp_path / "one" / "s", n_trials=4, storage=url, name="s-1", pruner="median")
    resumed = again.next()
    epochs(resumed.folder, 1.0)
    again.watch(resumed)
    train(resumed)
    again.settle(resumed)
    assert trials(again)[2].intermediate_values == {1: 1.0}
    warm = studies(tmp_path / "three", storage=url, warm_start=str(tmp_path / "two" / "s"), name="s-3")
    assert sum(trial.state.name == "COMPLETE" for trial in trials(warm)) == 2


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("study.db", "tune.storage=study.db is no URL of a database, such as sqlite:///study.db"),
        ("sqlite:////nowhere/study.db", "tune.storage=sqlite:////nowhere/study.db cannot be opened: unable to open"),
        ("postgresql+psycopg://me:secret@localhost:1/x", "//me:***@localhost:1/x cannot be opened: connection failed"),
        ("mysql+mysqldb://me:secret@localhost/x", "//me:***@localhost/x: its driver is not installed"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(tmp_path, url, text):
    with pytest.raises(ConfigError) as error:
        studies(tmp_path, storage=url)
    assert text in str(error.value)
    assert "secret" not in str(error.value)


def test_metrics_that_the_task_does_not_have_are_told(tmp_path):
    cfg = config("task._target_=colonnade.tasks.regression.Regression")
    with pytest.raises(ConfigError, match=r"tune.objectives: .*accuracy"):
        studies(tmp_path, cell(cfg=cfg), objectives=["max:val/accuracy"])

"""Studies: points asked for and results told, on trials that nobody trains."""

from __future__ import annotations

import math
import warnings

import optuna
import pytest
from omegaconf import OmegaConf

from colonnade.config.locate import shipped
from colonnade.core.errors import ConfigError
from colonnade.tuning.settings import PRUNERS

from .kit import DEFAULTS, another, cell, epochs, fail, finish, gone, lr, result, run_all, statuses, studies

SAMPLERS = sorted(path.stem for path in (shipped() / "tune").glob("*.yaml") if path.stem != "grid")
GOALS = ("min:val/rmse", "min:parameters")


def bowl(job) -> None:
    """A training whose error is the distance of its learning rate from 1e-3, in powers of ten."""
    finish(job.folder, abs(math.log10(lr(job)) + 3))


def trials(queue) -> list[optuna.trial.FrozenTrial]:
    return queue.studies[0].trials()


def states(queue) -> list[str]:
    return [trial.state.name for trial in trials(queue)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_two_workers_never_get_the_same_trial_or_point(tmp_path, name):
    settings = OmegaConf.load(shipped() / "tune" / f"{name}.yaml")
    first = studies(tmp_path, sampler=settings.sampler, n_trials=14)
    second = studies(tmp_path, sampler=settings.sampler, n_trials=14)
    jobs = []
    while True:
        # Two at once, as with several workers: the second point is drawn while the first trains.
        some = [(queue, job) for queue in (first, second) if (job := queue.next()) is not None]
        if not some:
            break
        jobs += [job for _, job in some]
        for queue, job in some:
            bowl(job)
            queue.settle(job)
    assert [job.key for job in jobs] == [f"trial-{i:04d}" for i in range(14)]
    assert len({lr(job) for job in jobs}) == 14
    assert states(first) == ["COMPLETE"] * 14
    assert not first.open()
    assert trials(first)[0].params == DEFAULTS, "the first trial is the model's defaults"
    assert list(first.studies[0]._claims.folder.glob("*.json")) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_choices_are_sampled_too(tmp_path, name):
    space = {"optim.lr": "interval(0, 1)", "optim.name": "choice(adam,adamw,sgd)"}
    queue = studies(tmp_path, cell(space=space), sampler=name, n_trials=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jobs = run_all(queue, lambda job: finish(job.folder, lr(job)))
    names = [OmegaConf.create(job.config).optim.name for job in jobs]
    assert names[0] == "adamw"
    assert len(set(names)) > 1
    assert len({lr(job) for job in jobs}) == 9


def test_a_repeated_command_goes_on_and_a_larger_number_of_trials_extends(tmp_path):
    assert len(run_all(studies(tmp_path, n_trials=3), bowl)) == 3
    assert run_all(studies(tmp_path, n_trials=3), bowl) == []
    more = run_all(studies(tmp_path, n_trials=5), bowl)
    assert [job.key for job in more] == ["trial-0003", "trial-0004"]
    assert len({trial.params["optim.lr"] for trial in trials(studies(tmp_path))}) == 5, "no point twice"


def test_without_the_defaults_the_first_trial_is_sampled(tmp_path):
    [job] = run_all(studies(tmp_path, n_trials=1, defaults_first=False), bowl)
    assert lr(job) != DEFAULTS["optim.lr"]


def test_points_typed_come_next_and_are_tried_once(tmp_path):
    points = [{"optim.lr": 0.05, "model.width": 8}, {"model.width": 64}]
    run_all(studies(tmp_path, n_trials=4, points=points), bowl)
    found = trials(studies(tmp_path, n_trials=4, points=points))
    assert [trial.params["model.width"] for trial in found[:3]] == [16, 8, 64]
    assert found[1].params["optim.lr"] == 0.05
    assert len(found) == 4
    # One that is added later is tried when the budget allows it.
    [job] = run_all(studies(tmp_path, n_trials=5, points=[*points, {"model.width": 5}]), bowl)
    assert OmegaConf.create(job.config).model.width == 5


def test_bad_points_are_told_together_before_anything_runs(tmp_path):
    points = [{"optim.lrr": 0.1}, {"model.width": 4.5}, {"optim.lr": 1}]
    with pytest.raises(ConfigError) as error:
        studies(tmp_path, points=points)
    assert "'optim.lrr' is not searched; did you mean 'optim.lr'?" in str(error.value)
    assert "model.width=4.5 lies outside of IntDistribution" in str(error.value)
    assert "optim.lr=1 lies outside of FloatDistribution" in str(error.value)
    # Put right, they are tried: the study has not begun without them.
    jobs = run_all(studies(tmp_path, n_trials=2, points=[{"model.width": 4}]), bowl)
    assert [OmegaConf.create(job.config).model.width for job in jobs] == [16, 4]


def test_the_budget_in_epochs_counts_those_of_all_trials(tmp_path):
    queue = studies(tmp_path, n_trials=50, max_epochs=8)
    jobs = run_all(queue, lambda job: finish(job.folder, epochs=3))
    assert len(jobs) == 3
    assert not queue.open()


def test_epochs_of_a_running_trial_count_too(tmp_path):
    queue = studies(tmp_path, n_trials=50, max_epochs=8)
    job = queue.next()
    epochs(job.folder, *range(8))
    assert queue.next() is None
    assert queue.open(), "it still runs"


def test_a_trial_whose_worker_is_gone_is_run_again(tmp_path):
    first = studies(tmp_path, n_trials=2)
    cut = first.next()
    later = studies(tmp_path, n_trials=2)
    assert later.next().key == "trial-0001", "the first is being trained"
    gone(later.studies[0]._claims)
    again = studies(tmp_path, n_trials=2)
    resumed = again.next()
    assert (resumed.key, resumed.config) == (cut.key, cut.config)
    assert states(again) == ["RUNNING", "RUNNING"]


def test_a_result_that_nobody_told_is_told_and_not_trained_again(tmp_path):
    first = studies(tmp_path, n_trials=1)
    finish(first.next().folder, 0.25)
    gone(first.studies[0]._claims)
    later = studies(tmp_path, n_trials=1)
    assert later.open()
    assert later.next() is None
    assert trials(later)[0].value == 0.25
    assert not later.open()


def test_a_trial_that_was_cut_off_while_its_point_was_drawn_is_replaced(tmp_path):
    queue = studies(tmp_path, n_trials=3, points=[{"model.width": 8}])
    run_all(queue, bowl, most=1)
    study = queue.studies[0].study
    # Killed after the first parameter of the point that was put in, and of one that is sampled.
    study.ask({"model.width": queue.studies[0].cell.space["model.width"].distribution})
    study.ask({})
    later = studies(tmp_path, n_trials=3, points=[{"model.width": 8}])
    jobs = run_all(later, bowl)
    assert [OmegaConf.create(job.config).model.width for job in jobs][0] == 8, "the point is not lost"
    assert states(later) == ["COMPLETE", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert statuses(later.rows()) == {f"trial-{i:04d}": "finished" for i in (0, 3, 4)}
    again = studies(tmp_path, n_trials=3, retry_failed=True)
    assert run_all(again, bowl) == [], "nothing failed"


def test_a_trial_that_was_stopped_stays_open_and_goes_on(tmp_path):
    queue = studies(tmp_path, n_trials=1)
    job = queue.next()
    epochs(job.folder, 3.0)
    queue.settle(job)
    assert statuses(queue.rows()) == {job.key: "waiting"}
    assert queue.open()
    again = queue.next()
    assert (again.key, again.config) == (job.key, job.config)
    assert statuses(queue.rows()) == {job.key: "running"}


def test_failures_are_kept_and_tried_again_only_when_asked_for(tmp_path):
    queue = studies(tmp_path, n_trials=3)
    run_all(queue, lambda job: fail(job.folder) if job.key == "trial-0001" else bowl(job))
    assert states(queue) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials(queue)[1].user_attrs["error"] == "TrainingError: no"
    assert run_all(studies(tmp_path, n_trials=3), bowl) == []
    again = studies(tmp_path, n_trials=3, retry_failed=True)
    other = studies(tmp_path, n_trials=3, retry_failed=True)
    assert statuses(again.rows())["trial-0001"] == "failed", "until it is begun"
    [job] = [*run_all(again, bowl), *run_all(other, bowl)]
    assert job.key == "trial-0003", "in a folder of its own, beyond the budget"
    before, now = trials(again)[1], trials(again)[3]
    assert now.params == before.params
    assert statuses(again.rows()) == {f"trial-{i:04d}": "finished" for i in (0, 2, 3)}
    assert not again.open()


def test_a_retry_that_was_cut_off_stays_a_retry(tmp_path):
    run_all(studies(tmp_path, n_trials=1), lambda job: fail(job.folder))
    queue = studies(tmp_path, n_trials=1, retry_failed=True)
    queue.studies[0].study.ask({})
    later = studies(tmp_path, n_trials=1, retry_failed=True)
    [job] = run_all(later, bowl)
    assert lr(job) == DEFAULTS["optim.lr"]
    assert statuses(later.rows()) == {"trial-0002": "finished"}
    assert not later.open()


def test_an_undefined_objective_is_a_failure(tmp_path):
    queue = studies(tmp_path, n_trials=2)
    run_all(queue, lambda job: finish(job.folder, None))
    assert states(queue) == ["FAIL", "FAIL"]
    row = queue.rows()[0]
    assert row.status == "failed"
    assert row.result["error"] == "val/rmse: the value of what is optimised is undefined"


def test_rows_are_ranked_by_what_is_optimised(tmp_path):
    queue = studies(tmp_path, n_trials=1, objectives=["max:val/r2"])
    run_all(queue, lambda job: finish(job.folder, metrics={"val": {"rmse": 1.0, "r2": 0.5}}))
    [row] = queue.rows()
    assert (row.result["monitor"], row.result["mode"]) == ("val/r2", "max")
    assert row.settings == {"optim.lr": "0.01", "model.width": "16"}
    assert queue.rows()[0] is row, "made once"


def test_several_objectives_and_constraints(tmp_path):
    queue = studies(tmp_path, sampler="nsga2", n_trials=4, objectives=GOALS, constraints=["parameters<=20"])
    sizes = iter([(3.0, 10), (1.0, 20), (2.0, 20), (0.5, 30)])

    def train(job):
        value, parameters = next(sizes)
        finish(job.folder, value, parameters=parameters)

    run_all(queue, train)
    study = queue.studies[0]
    assert [trial.number for trial in study.pareto()] == [0, 1], "2 is beaten, 3 is too large"
    assert list(statuses(queue.rows()).values()) == ["finished", "finished", "finished", "infeasible"]
    assert trials(queue)[3].constraints == {"parameters<=20": 10.0}
    assert study.feasible(result(parameters=20))
    assert not study.feasible(result(parameters=21))
    assert not study.feasible(result(parameters=None)), "what is not known is not kept"
    assert study.feasible(None)
    assert study.feasible(result(parameters=21, status="failed"))


def test_a_trial_that_was_killed_before_it_was_timed_is_timed(tmp_path):
    first = studies(tmp_path, sampler="nsga2", n_trials=1, objectives=["min:val/rmse", "min:latency"])
    finish(first.next().folder)
    gone(first.studies[0]._claims)
    queue = studies(tmp_path, sampler="nsga2", n_trials=1, objectives=["min:val/rmse", "min:latency"])
    job = queue.next()
    assert (job.key, job.latency) == ("trial-0000", True)
    finish(job.folder, latency=0.5)
    queue.settle(job)
    assert trials(queue)[0].values == [1.0, 0.5]


def test_what_was_told_in_part_is_told_again_without_a_word(tmp_path):
    queue = studies(tmp_path, n_trials=1, constraints=["parameters<=20"])
    job = queue.next()
    finish(job.folder)
    study = queue.studies[0]
    # Killed in the middle of telling.
    trial = optuna.trial.Trial(study.study, trials(queue)[0]._trial_id)
    trial.set_constraint("parameters<=20", -10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        queue.settle(job)
        queue.settle(job)
    assert states(queue) == ["COMPLETE"]


@pytest.mark.parametrize("name", PRUNERS)
def test_a_clear_loser_is_pruned(tmp_path, name):
    queue = studies(tmp_path, n_trials=40, pruner=name, warmup_epochs=1)
    for _ in range(12):
        job = queue.next()
        epochs(job.folder, *(1 / (i + 1) for i in range(9)))
        queue.watch(job)
        finish(job.folder, 1 / 9)
        queue.settle(job)
    assert set(states(queue)) == {"COMPLETE"}
    # A trial of Hyperband's last bracket is never given up: several lose.
    asked = 0
    for _ in range(8):
        job = queue.next()
        prune = job.folder / "prune"
        for epoch in range(9):
            epochs(job.folder, 100.0 + epoch)
            queue.watch(job)
            if prune.exists():
                break
        asked += prune.exists()
        finish(job.folder, 100.0, status="pruned" if prune.exists() else "finished")
        queue.settle(job)
    assert asked >= 2
    assert states(queue).count("PRUNED") == asked
    found = [trial for trial in trials(queue) if trial.state.name == "PRUNED"]
    assert all(trial.value >= 100.0 for trial in found), "its last value is kept"
    assert min(trial.last_step for trial in found) < 9


def test_epochs_are_reported_once_however_often_a_trial_is_resumed(tmp_path):
    first = studies(tmp_path, n_trials=1, pruner="median")
    job = first.next()
    first.watch(job)
    epochs(job.folder, 5.0, None, 4.0)
    first.watch(job)
    first.watch(job)
    with (job.folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "val/')
    gone(first.studies[0]._claims)
    later = studies(tmp_path, n_trials=1, pruner="median")
    again = later.next()
    # It goes on after its first epoch, and reports the others anew.
    (job.folder / "metrics.jsonl").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (5.0, None, 3.9, 3.0):
            epochs(job.folder, value)
            later.watch(again)
    assert trials(later)[0].intermediate_values == {1: 5.0, 3: 4.0, 4: 3.0}


def test_epochs_after_the_last_look_are_reported_in_the_end(tmp_path):
    queue = studies(tmp_path, n_trials=1, pruner="median")
    job = queue.next()
    epochs(job.folder, 2.0, 1.0)
    finish(job.folder)
    queue.settle(job)
    assert trials(queue)[0].intermediate_values == {1: 2.0, 2: 1.0}


def test_a_worker_that_comes_back_late_changes_nothing(tmp_path):
    slow = studies(tmp_path, n_trials=1, pruner="median")
    job = slow.next()
    gone(slow.studies[0]._claims)
    other = studies(tmp_path, n_trials=1, pruner="median", claims=another(tmp_path))
    assert other.next().key == job.key
    slow.settle(job)
    assert other.studies[0]._claims.living() == [job.key], "the claim is another's now"
    finish(job.folder, 2.0)
    other.settle(job)
    # Its training ends, too, and is not told.
    finish(job.folder, 1.0)
    epochs(job.folder, 1.0)
    slow.watch(job)
    slow.settle(job)
    assert trials(slow)[0].value == 2.0

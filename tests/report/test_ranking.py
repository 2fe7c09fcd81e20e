"""Runs of the same settings are taken together and ranked."""

import math

import pytest

from colonnade.report.ranking import Row, Stat, ranking, values_of
from report.kit import result, run


def order(rows) -> list[tuple[int | None, str]]:
    return [(group.rank, group.settings.get("model", "")) for group in ranking(rows)]


def test_seeds_are_one_group_with_mean_and_standard_deviation() -> None:
    [group] = ranking([run(v, model="mlp", seed=i) for i, v in enumerate((1.0, 2.0, 4.5))])
    assert group.settings == {"model": "mlp"}
    assert group.stats["val/rmse"] == Stat(2.5, pytest.approx(math.sqrt((2.25 + 0.25 + 4.0) / 2)), 3)
    assert group.stats["test/rmse"].mean == 3.5
    assert group.stats["seconds"] == Stat(10.0, 0.0, 3)
    assert group.stats["parameters"].mean == 1000
    assert group.value == group.stats["val/rmse"]


def test_one_run_has_no_standard_deviation() -> None:
    [group] = ranking([run(1.0, model="mlp")])
    assert group.stats["val/rmse"] == Stat(1.0, None, 1)
    assert group.rank == 1


@pytest.mark.parametrize(("mode", "first"), [("min", "a"), ("max", "b")])
def test_the_mode_says_which_direction_is_good(mode: str, first: str) -> None:
    rows = [run(1.0, model="a", told={"mode": mode}), run(2.0, model="b", told={"mode": mode})]
    assert order(rows)[0] == (1, first)


@pytest.mark.parametrize(("metric", "first"), [("rmse", "a"), ("log_loss", "a"), ("auroc", "b"), ("r2", "b")])
def test_without_a_mode_the_metric_says_it(metric: str, first: str) -> None:
    rows = [
        run(
            model=name, told={"mode": None, "monitor": f"val/{metric}", "metrics": {"val": {metric: value}, "test": {}}}
        )
        for name, value in (("a", 0.1), ("b", 0.2))
    ]
    assert order(rows)[0] == (1, first)


def test_what_has_no_value_comes_last_and_failures_at_the_very_end() -> None:
    rows = [
        run(model="failed", status="failed"),
        run(1.0, model="pruned", status="pruned"),
        run(model="waiting", status="waiting"),
        run(model="running", status="running"),
        run(None, model="undefined"),
        run(float("nan"), model="nan"),
        run(0.1, model="infeasible", status="infeasible"),
        run(2.0, model="worse"),
        run(1.0, model="best"),
    ]
    assert order(rows) == [
        (1, "best"),
        (2, "worse"),
        (None, "infeasible"),
        (None, "undefined"),
        (None, "nan"),
        (None, "running"),
        (None, "waiting"),
        (None, "pruned"),
        (None, "failed"),
    ]


def test_a_group_is_ranked_by_what_finished() -> None:
    rows = [
        run(3.0, model="a", seed=1),
        run(model="a", seed=2, status="failed"),
        run(1.0, model="a", seed=3),
        run(2.5, model="b", seed=1),
    ]
    first, second = ranking(rows)
    assert (first.settings["model"], first.value) == ("a", Stat(2.0, pytest.approx(math.sqrt(2)), 2))
    assert (first.finished, len(first.rows), first.statuses["failed"]) == (2, 3, 1)
    assert second.rank == 2
    assert first.best.settings["seed"] == "3"


def test_undefined_values_are_left_out_of_the_mean() -> None:
    [group] = ranking([run(1.0, model="a", seed=1), run(None, model="a", seed=2), run(math.inf, model="a", seed=3)])
    assert group.value == Stat(1.0, None, 1)
    assert group.finished == 3


def test_infeasible_runs_count_where_nothing_else_finished() -> None:
    mixed, only = ranking(
        [
            run(1.0, model="a", seed=1, status="infeasible"),
            run(2.0, model="a", seed=2),
            run(1.0, model="b", seed=1, status="infeasible"),
        ]
    )
    assert (mixed.value, mixed.rank) == (Stat(2.0, None, 1), 1)
    assert (only.value, only.rank) == (Stat(1.0, None, 1), None)


def test_equal_means_share_a_rank() -> None:
    assert order([run(1.0, model="a"), run(1.0, model="b"), run(2.0, model="c")]) == [(1, "a"), (1, "b"), (3, "c")]


def test_data_sets_are_ranked_apart() -> None:
    accuracy = {"monitor": "val/accuracy", "mode": "max", "metrics": {"val": {"accuracy": 0.9}, "test": {}}}
    groups = ranking(
        [
            run(5.0, model="a", data="homes"),
            run(model="a", data="adult", told=accuracy),
            run(4.0, model="b", data="homes"),
            run(model="b", data="adult", status="failed"),
        ]
    )
    assert [(g.rank, g.settings["data"], g.settings["model"], g.monitor) for g in groups] == [
        (1, "homes", "b", "val/rmse"),
        (2, "homes", "a", "val/rmse"),
        (1, "adult", "a", "val/accuracy"),
        (None, "adult", "b", "val/accuracy"),
    ]


def test_a_failed_run_does_not_say_what_is_monitored() -> None:
    failed = [run(model=f"f{i}", status="failed", told={"monitor": "val/loss", "mode": None}) for i in range(3)]
    assert ranking([*failed, run(1.0, model="a")])[0].monitor == "val/rmse"


def test_the_best_run_may_have_the_value_zero() -> None:
    [group] = ranking([run(0.5, model="a", seed=1), run(0.0, model="a", seed=2)])
    assert group.best.settings["seed"] == "2"


def test_values_of_a_run_without_a_result() -> None:
    assert values_of(Row("k", "f", "waiting", {})) == {}
    assert values_of(Row("k", "f", "finished", {}, {**result(1.0), "seconds": None})) == {
        "val/rmse": 1.0,
        "val/r2": 0.5,
        "test/rmse": 2.0,
        "test/r2": 0.25,
        "test/mae": 0.125,
        "parameters": 1000.0,
    }


def test_nothing_to_rank() -> None:
    assert ranking([]) == []

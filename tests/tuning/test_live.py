"""What a search shows while it runs."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from colonnade.report.ranking import Row, best_row, monitored_value
from colonnade.tuning import live as module
from colonnade.tuning.job import Job
from colonnade.tuning.live import Live, told
from colonnade.tuning.worker import Running

from .kit import Ended, epochs, result


class Rows:
    """A queue that knows its rows."""

    def __init__(self, *rows):
        self.found = list(rows)

    def rows(self):
        return self.found


def row(key, status="finished", value=1.0, **more):
    ended = result(value, **more) if status not in ("running", "waiting") else None
    return Row(key, f"mine/{key}", status, {"seed": key}, ended)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_end_is_a_line_and_what_had_ended_before_a_number(tmp_path, capsys):
    rows = Rows(row("1"), row("2", "running"), row("3", "waiting"))
    with Live(rows, tmp_path / "mine", 3) as shown:
        shown.update(())
        rows.found[1] = row("2", "failed", None, error="DataError: no such file\nsecond line")
        shown.update((), now=True)
        shown.update((), now=True)
        rows.found[2] = row("3", "pruned", 2.5)
    assert capsys.readouterr().err.splitlines() == [
        "search in mine",
        "1 of 3 had ended before",
        "[2/3] failed: seed=2: DataError: no such file",
        "[3/3] pruned val/rmse 2.5 seed=3",
    ]


def test_what_is_tried_again_is_told_again(tmp_path, capsys):
    rows = Rows(row("1", "failed", None, error="x"))
    with Live(rows, tmp_path, 1) as shown:
        rows.found[0] = row("1", "running")
        shown.update((), now=True)
        rows.found[0] = row("1")
    assert "[1/1] val/rmse 1 seed=1" in capsys.readouterr().err


def test_it_is_drawn_twice_a_second_at_most(tmp_path):
    rows = Rows()
    calls = []
    rows.rows = lambda: calls.append(1) or []
    shown = Live(rows, tmp_path, 1)
    for _ in range(10):
        shown.update(())
    assert len(calls) == 1


def test_a_terminal_gets_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    rows = Rows(row("1", value=0.5), row("2", value=0.25), row("3", "infeasible", 0.1), row("4", "running"))
    shown = Live(rows, tmp_path, 9)
    shown._told, shown._before, shown._start = set(), 1, time.monotonic() - 120
    epochs(tmp_path / "4", 3.0, 2.0)
    job = Job("4", tmp_path / "4", "", monitor="val/rmse")
    running = [Running(job, Ended(None), time.monotonic() - 61)]
    running.append(Running(Job("5", tmp_path / "5", ""), Ended(None), time.monotonic()))
    text = io.StringIO()
    Console(file=text, width=100).print(shown._table(rows.rows(), running))
    first, second, *rest = text.getvalue().splitlines()
    assert first.split(" · ") == ["3 of 9 ended", "1 running", "2 finished", "1 infeasible", "about 6 min 0 s left"]
    assert second == "best so far: val/rmse 0.25 seed=2"
    assert "4" in rest[1]
    assert rest[1].split()[1:4] == ["2", "val/rmse", "2"]
    assert rest[2].split()[:2] == ["5", "0"]


def test_the_log_of_a_failure_is_named():
    failed = Row("1", "mine/1", "failed", {"seed": "1"}, {"error": "x"}, log="mine/1/train.log")
    assert told(failed) == "failed: seed=1: x (log: mine/1/train.log)"


def test_the_best_has_finished_with_a_value_in_the_direction_of_its_task():
    rows = [row("1", value=3.0), row("2", value=None), row("3", "pruned", 0.1), row("4", value=float("nan"))]
    assert best_row(rows).key == "1"
    assert best_row(rows[1:]) is None
    assert best_row([row("1", value=3.0, mode="max"), row("2", value=4.0, mode="max")]).key == "2"
    assert monitored_value(rows[3]) is None

"""The table at the end of a run."""

from pathlib import Path

import pytest
from rich.console import Console

from colonnade.report.table import duration, metrics_table, number, summary

RESULT = {
    "task": "binary",
    "monitor": "val/auroc",
    "metrics": {
        "val": {"accuracy": 0.851234, "auroc": 0.91, "f1_score": None},
        "test": {"accuracy": 0.85, "auroc": float("nan"), "f1_score": 0.7},
    },
    "seconds": 83.2,
    "epochs": 17,
    "parameters": 1234567,
}


def rendered(what) -> list[str]:
    console = Console(width=100, record=True, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    console.print(what)
    console.file.close()
    return [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]


def test_of_many_metrics_those_of_single_targets_are_left_out() -> None:
    values = {f"{name}{of}": 1.0 for name in ("mse", "coverage/0.9") for of in ("", *(f"/{i}" for i in range(20)))}
    few = metrics_table({"val": {"mse": 1.0, "mse/a": 2.0}}, monitor="val/mse", task="forecast")
    assert few.row_count == 2
    lines = rendered(metrics_table({"val": values}, monitor="val/mse/3", task="forecast"))
    rows = [line for line in lines if line and "─" not in line and "━" not in line]
    assert rows[2:5] == ["mse/3 (monitored) 1", "mse 1", "coverage/0.9 1"]
    said = "mse: in standard deviations of the train steps; those of each target: result.json"
    assert " ".join(rows[5:]) == said
    assert metrics_table({"val": {"rmse": 1.0}}, monitor="val/rmse", task="regression").caption is None


def test_summary() -> None:
    lines = rendered(summary(RESULT, folder=Path("runs/[a]"), best_epoch=12, tensorboard=Path("runs/[a]/tensorboard")))
    rows = [line for line in lines if line and "─" not in line and "━" not in line]
    assert rows == [
        "binary",
        "┃ metric ┃ val ┃ test ┃",
        "auroc (monitored) 0.91 undefined",
        "accuracy 0.85123 0.85",
        "f1_score undefined 0.7",
        "epochs 17, best 12 (counted from 0)",
        "time 1 min 23 s",
        "parameters 1,234,567",
        "run folder runs/[a]",
        "TensorBoard tensorboard --logdir runs/[a]/tensorboard",
    ]


def test_of_what_was_not_measured_there_is_no_table() -> None:
    lines = rendered(summary({**RESULT, "metrics": {"val": {}, "test": {}}}, folder=Path("runs/a")))
    assert lines[0] == "binary: nothing is left to measure it on"
    assert lines[1] == "epochs 17"


def test_parts_without_rows_are_left_out() -> None:
    table = metrics_table({"val": {}, "test": {"rmse": 1.0}}, monitor="val/rmse", task="regression")
    assert [column.header for column in table.columns] == ["metric", "test"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.12346"), (1.0, "1"), (None, "undefined"), (float("nan"), "undefined")]
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(8.31, "8.3 s"), (59.99, "60.0 s"), (3600, "1 h 0 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text

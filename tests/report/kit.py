"""Runs of a search that was never run."""

from __future__ import annotations

from colonnade.report.ranking import Row


def result(value: float | None, *, status: str = "finished", **more) -> dict:
    """What a run of a regression tells; its test rmse is 1 above that of the validation rows."""
    test = None if value is None else value + 1
    measured = {
        "metrics": {"val": {"rmse": value, "r2": 0.5}, "test": {"rmse": test, "r2": 0.25, "mae": 0.125}},
        "seconds": 10.0,
        "epochs": 3,
        "parameters": 1000,
    }
    blank = {"metrics": {}, "seconds": None, "epochs": None, "parameters": None}
    return {
        "status": status,
        "task": "regression",
        "monitor": "val/rmse",
        "mode": "min",
        **(blank if status == "failed" else measured),
        "checkpoint": None,
        "overrides": [],
        "error": "TrainingError: loss is NaN" if status == "failed" else None,
        **more,
    }


def run(value: float | None = None, status: str = "finished", log: str | None = None, told=None, **settings) -> Row:
    """A run; settings as keywords, with two underscores for a dot."""
    named = {key.replace("__", "."): str(setting) for key, setting in settings.items()}
    key = ",".join(f"{name}={named[name]}" for name in sorted(named))
    ended = status in ("finished", "failed", "pruned", "infeasible")
    content = result(value, status="finished" if status == "infeasible" else status, **(told or {})) if ended else None
    return Row(key, f"multirun/s/{key}", status, named, content, log)

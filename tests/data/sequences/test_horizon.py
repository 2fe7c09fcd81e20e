"""Borders of train, val and test, and the origins of their windows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.data.sequences.horizon import Horizon

ETT = (8640, 2880, 2880)


@pytest.mark.parametrize("horizon", [96, 336, 720])
def test_the_windows_of_the_ett_protocol(horizon):
    borders = Horizon(steps=ETT).borders(np.array([17420]))
    found = {part: borders.origins(part, context=336, horizon=horizon) for part in ("train", "val", "test")}
    assert {part: int(first[0]) for part, (first, _) in found.items()} == {"train": 336, "val": 8640, "test": 11520}
    counts = {part: int(count[0]) for part, (_, count) in found.items()}
    assert counts == {"train": 8640 - 336 - horizon + 1, "val": 2881 - horizon, "test": 2881 - horizon}


def test_shares_of_each_series(tmp_path):
    borders = Horizon(val=0.1, test=0.2).borders(np.array([100, 10, 3]))
    assert borders.ends.tolist() == [[70, 80, 100], [7, 8, 10], [2, 3, 3]]
    first, count = borders.origins("train", context=5, horizon=2)
    assert (first.tolist(), count.tolist()) == ([5, 5, 5], [64, 1, 0])
    first, count = borders.origins("test", context=5, horizon=2)
    assert (first.tolist(), count.tolist()) == ([80, 8, 5], [19, 1, 0])
    borders.save(tmp_path / "split.json")
    assert json.loads((tmp_path / "split.json").read_text()) == {
        "how": "the last 20% of the steps of each series test, the 10% before val",
        "ends": borders.ends.tolist(),
    }


def test_the_last_steps_of_each_series():
    borders = Horizon(val=48, test=48).borders(np.array([748, 100, 50, 10]))
    assert borders.ends.tolist() == [[652, 700, 748], [4, 52, 100], [0, 2, 50], [0, 0, 10]]
    assert borders.how == "the last 48 steps of each series test, the 48 before val"
    first, count = borders.origins("test", context=3, horizon=48)
    assert (first.tolist(), count.tolist()) == ([700, 52, 3, 3], [1, 1, 0, 0])
    assert Horizon(val=0.5, test=2).borders(np.array([20])).ends.tolist() == [[8, 18, 20]]


def test_no_step_is_forecast_in_two_parts():
    borders = Horizon().borders(np.array([57]))
    seen = []
    for part in ("train", "val", "test"):
        (first,), (count,) = borders.origins(part, context=3, horizon=2)
        steps = {int(first) + i + h for i in range(int(count)) for h in range(2)}
        assert not steps & set(seen)
        seen += sorted(steps)
    assert seen == list(range(3, 57))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"val": 0.5, "test": 0.5}, "leave no steps to train on: their sum must be below 1"),
        ({"stride": 0}, "split.stride=0 must be at least 1"),
        ({"test": 1.5}, r"split.test=1.5: a share below 1, or a whole number of steps"),
        ({"test": 0.0}, r"split.test=0.0 must be between 0 and 1"),
        ({"steps": [10, 5]}, r"split.steps=\[10, 5\]: three numbers above 0, of train, val and test steps"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        Horizon(**options)


def test_rows_are_not_divided_so():
    with pytest.raises(ConfigError, match="split=horizon divides the steps of series that are forecast"):
        Horizon().split(None, TargetKind.REAL, 0)

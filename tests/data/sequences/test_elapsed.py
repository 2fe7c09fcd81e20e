"""The time since the step before, as a channel."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.elapsed import with_elapsed
from colonnade.data.sources.frame import Frame

STEPS = pl.DataFrame(
    {
        "id": ["a", "b", "a", "a", "b"],
        "at": ["2024-01-01 06:00", "2024-01-02", "2024-01-01 04:30", "2024-01-03 06:00", "2024-01-01 12:00"],
        "hour": [6.0, 24.0, 4.5, 54.0, 12.0],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0],
        "y": [0, 1, 0, 0, 1],
    }
)


def dataset(time, unit, frame=STEPS, **more):
    return SequenceDataset(source=Frame(frame), target="y", id="id", time=time, elapsed=unit, **more)


@pytest.mark.parametrize(("time", "unit", "of"), [("at", "hours", 1), ("at", "days", 24), ("hour", "number", 1)])
def test_whole_series_have_it_in_their_order(time, unit, of):
    other = {"at": "hour", "hour": "at"}[time]
    source = dataset(time, unit, STEPS.drop(other))
    table = source.read()
    expected = [[0.0, 1.5, 48.0], [0.0, 12.0]]
    for found, wanted in zip(table.frame["elapsed"], expected, strict=True):
        np.testing.assert_allclose(found, np.array(wanted) / of)
    assert "elapsed" in table.schema.features
    new = source.read_new(STEPS.drop("y", other)[::-1], table.schema, need_target=False)
    assert [len(one) for one in new.frame["elapsed"]] == [2, 3]


def test_times_that_are_not_what_the_unit_is_of():
    frame = pl.DataFrame({"at": [datetime(2024, 1, 1)], "x": [1.0]})
    with pytest.raises(DataError, match="'at' \\(data.time\\) holds dates or times, no numbers: data.elapsed=hours"):
        with_elapsed(frame, "number", time="at", starts=np.array([True]), where="x.csv")
    with pytest.raises(DataError, match="holds numbers, no dates or times: data.elapsed=number"):
        with_elapsed(frame, "hours", time="x", starts=np.array([True]), where="x.csv")


def test_of_even_steps_it_would_say_nothing():
    more = {"fill": "forward", "horizon": 1, "context": 2}
    with pytest.raises(ValueError, match="elapsed=hours and fill=forward: where missing steps are put in, all are as"):
        dataset("at", "hours", **more)
    with pytest.raises(ValueError, match="elapsed=hours is the time between steps: set time"):
        dataset(None, "hours")

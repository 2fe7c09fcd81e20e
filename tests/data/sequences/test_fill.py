"""What stands where a value is missing, and which origins are left."""

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sequences.fill import carried, known, runs, some

OFFSETS = np.array([0, 5, 9])
STEPS = pl.DataFrame(
    {
        "x": [1.0, None, None, 4.0, None, None, 6.0, None, 8.0],
        "word": ["a", None, "b", None, None, "c", "c", None, "d"],
        "whole": list(range(9)),
    }
)


def test_values_are_carried_on_within_a_series():
    found = carried(STEPS, OFFSETS, ["x"])
    # Before its first value: of what is forecast that value, of other columns nothing, since nothing was known.
    assert found["x"].to_list() == [1, 1, 1, 4, 4, 6, 6, 6, 8]
    assert found["word"].to_list() == ["a", "a", "b", "b", "b", "c", "c", "c", "d"]
    assert carried(STEPS, OFFSETS, [])["x"].to_list() == [1, 1, 1, 4, 4, None, 6, 6, 8]
    assert found["whole"].equals(STEPS["whole"])


def test_what_may_be_forecast():
    there, early = known(STEPS, OFFSETS, ["x", "whole"])
    # The first value of the second series stands before itself, once filled.
    assert there[:, 0].tolist() == [True, False, False, True, False, False, False, False, True]
    assert there[:, 1].all()
    assert early.tolist() == [False] * 5 + [True] + [False] * 3
    everything, none = known(STEPS, OFFSETS, ["whole"])
    assert everything.all()
    assert not none.any()
    with pytest.raises(DataError, match=r"'x' \(data.target\) is missing in every step of 1 series \(from 0: 1\)"):
        known(STEPS, np.array([0, 4, 5, 9]), ["x"])


def test_origins_are_those_ahead_of_which_there_is_something():
    rng = np.random.default_rng(0)
    there = rng.random((200, 2)) > 0.8
    allowed = some(there, 4)
    assert allowed.tolist() == [bool(there[i : i + 4].any()) for i in range(200)]
    first, count = np.array([3, 60, 120, 150]), np.array([40, 0, 30, 47])
    starts, counts, of = runs(allowed, first, count)
    found = [(int(place), int(s) + i) for s, c, place in zip(starts, counts, of) for i in range(c)]
    expected = [(r, o) for r in range(4) for o in range(first[r], first[r] + count[r]) if allowed[o]]
    assert found == expected
    # Each range is as long as it can be.
    assert not any(a + n == b and p == q for a, n, b, p, q in zip(starts, counts, starts[1:], of, of[1:]))


def test_every_third_origin_of_a_range():
    allowed = np.ones(30, dtype=bool)
    allowed[13] = False
    starts, counts, of = runs(allowed, np.array([0, 10]), np.array([8, 9]), stride=3)
    assert (starts.tolist(), counts.tolist(), of.tolist()) == ([0, 3, 6, 10, 16], [1] * 5, [0, 0, 0, 1, 1])


def test_ranges_that_touch_stay_apart():
    starts, counts, of = runs(np.ones(10, dtype=bool), np.array([0, 5]), np.array([5, 5]))
    assert (starts.tolist(), counts.tolist(), of.tolist()) == ([0, 5], [5, 5], [0, 1])
    empty = runs(np.zeros(10, dtype=bool), np.array([0, 5]), np.array([5, 5]))
    assert [len(part) for part in empty] == [0, 0, 0]

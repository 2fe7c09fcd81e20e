"""Calendar parts against Python's datetime."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from colonnade.data.columns import MISSING_TIME
from colonnade.data.steps.calendar import PARTS, Calendar, parts_of

EPOCH = datetime(1970, 1, 1)


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@given(st.datetimes())
@example(datetime(1, 1, 1))
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999))
@example(datetime(1969, 12, 31, 23, 59, 59, 999_999))
@example(datetime(1900, 2, 28))
@example(datetime(1900, 3, 1))
@example(datetime(2000, 2, 29))
@example(datetime(2000, 12, 31))
@example(datetime(2023, 12, 31))
@example(datetime(1600, 12, 31, 12))
def test_parts_are_those_of_python(moment: datetime) -> None:
    found = parts_of(torch.tensor([microseconds(moment)]), PARTS)
    assert {name: value.item() for name, value in found.items()} == {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "dayofyear": moment.timetuple().tm_yday,
        "hour": moment.hour,
        "minute": moment.minute,
    }


def times(*moments: datetime | None) -> np.ndarray:
    return np.array([[MISSING_TIME if m is None else microseconds(m)] for m in moments])


def test_columns_and_missing_values(fit, of) -> None:
    fitted, given = fit(
        Calendar(parts=["year", "elapsed", "hour"]),
        time=times(datetime(2020, 2, 29, 6), datetime(2020, 3, 1, 18), None),
    )
    found = fitted.module(given)
    np.testing.assert_array_equal(found.num.T, [[2020, 0, 6], [2020, 1.5, 18], [np.nan] * 3])
    assert fitted.layout.num == ("t.year", "t.elapsed", "t.hour")
    assert fitted.layout.time == ()
    assert found.time.shape == (0, 3)
    assert fitted.module(of(time=times(datetime(2020, 2, 27, 18)))).num[1].item() == -1.5
    assert fitted.module.describe()["t.hour"] == "hour of t"


def test_cyclic_parts_lie_on_a_circle(fit) -> None:
    fitted, given = fit(
        Calendar(parts=["month", "year"], cyclic=True), time=times(datetime(2021, 3, 1), datetime(2021, 12, 1), None)
    )
    found = fitted.module(given).num
    assert fitted.layout.num == ("t.month.sin", "t.month.cos", "t.year")
    angle = 2 * math.pi / 12
    np.testing.assert_allclose(found[0], [math.sin(3 * angle), 0.0, np.nan], atol=1e-12)
    np.testing.assert_allclose(found[1], [math.cos(3 * angle), 1.0, np.nan], atol=1e-12)


def test_several_datetimes(fit) -> None:
    moments = np.hstack([times(datetime(2020, 1, 1), datetime(2021, 5, 2)), times(datetime(1950, 1, 1), None)])
    fitted, given = fit(Calendar(parts=["year", "day"]), time=moments)
    assert fitted.layout.num == ("t.year", "u.year", "t.day", "u.day")
    np.testing.assert_array_equal(fitted.module(given).num, [[2020, 2021], [1950, np.nan], [1, 2], [1, np.nan]])


def test_a_column_without_datetimes(fit) -> None:
    fitted, given = fit(Calendar(), time=times(None, None))
    assert fitted.module(given).num.isnan().all()


def test_parts_must_be_known() -> None:
    with pytest.raises(
        ValueError, match="parts holds 'mounth', which is none of year, month, day, .*; did you mean 'month'"
    ):
        Calendar(parts=["mounth"])
    with pytest.raises(ValueError, match="parts must name at least one of year, month"):
        Calendar(parts=[])

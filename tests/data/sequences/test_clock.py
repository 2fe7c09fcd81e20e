"""Times of steps: how far apart they are, and what is missing between them."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sequences.clock import Step, instants, spacing, with_missing_steps


def dates(every, n=24, start=datetime(2023, 1, 31)):
    return pl.Series("at", pl.datetime_range(start, start + (n + 1) * pl.duration(days=400), every, eager=True)[:n])


def one(n):
    return np.append(True, np.zeros(n - 1, dtype=bool))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (dates("1h"), "1h"),
        (dates("30m"), "30m"),
        (dates("1d"), "1d"),
        (dates("1w"), "1w"),
        (dates("1mo", start=datetime(2023, 1, 1)), "1mo"),
        (dates("1q", start=datetime(2023, 1, 15)), "3mo"),
        (dates("1y", start=datetime(2000, 1, 1)), "12mo"),
        (pl.Series("at", np.arange(24) * 5), "5"),
        (pl.Series("at", [0.5, 1.0, 1.5, 3.0]), "0.5"),
    ],
)
def test_a_step_is_what_it_is_most_often(times, said):
    found = spacing(times, one(len(times)), None, "x.csv")
    assert str(found.step) == said
    assert not len(found.uneven)


def test_months_that_end():
    ends = pl.Series("at", [datetime(2024, 1, 31), datetime(2024, 2, 29), datetime(2024, 3, 31), datetime(2024, 5, 31)])
    found = spacing(ends, one(4), None, "x.csv")
    assert str(found.step) == "1mo"
    assert found.ahead.tolist() == [1, 1, 2, 1]


@pytest.mark.parametrize(
    "spelled", [["2024-01-31 7", "2024-02-01 12"], ["2024 1 31 07", "2024 2 1 12"], ["2024-01-31T7", "2024-2-1T12"]]
)
def test_a_day_and_an_hour(spelled):
    assert instants(pl.Series("at", spelled), "x.csv").to_list() == [datetime(2024, 1, 31, 7), datetime(2024, 2, 1, 12)]


def test_an_hour_that_no_day_has():
    with pytest.raises(
        DataError,
        match="x.csv: column 'at' \\(data.time\\) holds '2024-01-31 24' in row 1 \\(from 0\\): numbers are expected",
    ):
        instants(pl.Series("at", ["2024-01-30 1", "2024-01-31 24"]), "x.csv")


def test_gaps_are_counted_within_a_series():
    times = pl.Series("at", [0, 1, 2, 5, 6, 100, 101, 103])
    starts = np.array([True, False, False, False, False, True, False, False])
    found = spacing(times, starts, None, "x.csv")
    assert found.ahead.tolist() == [1, 1, 3, 1, 1, 1, 2, 1]
    assert found.missing == 3
    assert found.note() == (
        "times have gaps: a step is 1, and 3 steps in 2 gaps are missing (the longest 2); rows are taken as "
        "consecutive steps (data.fill=forward puts the missing ones in)"
    )
    frame = pl.DataFrame({"id": ["a"] * 5 + ["b"] * 3, "at": times, "y": range(8)})
    whole = with_missing_steps(frame, found, kept={"id"}, times=times, where="x.csv")
    assert whole["id"].to_list() == ["a"] * 7 + ["b"] * 4
    assert whole["y"].to_list() == [0, 1, 2, None, None, 3, 4, 5, 6, None, 7]


def test_steps_that_are_uneven():
    times = pl.Series("at", [0.0, 1.0, 2.0, 3.4, 4.4])
    found = spacing(times, one(5), None, "x.csv")
    assert found.uneven.tolist() == [3]
    assert found.note().startswith("times are uneven: most steps are 1 apart, 1 of 5 are no multiple of it")
    with pytest.raises(
        DataError, match=r"x.csv: 1 of 5 rows are no multiple of 1 behind the one before \(3.4\): data.fill"
    ):
        with_missing_steps(pl.DataFrame({"at": times}), found, kept=(), times=times, where="x.csv")


def test_a_wrong_time_is_not_filled_up_to():
    times = pl.Series("at", [*range(10), 100_000])
    found = spacing(times, one(11), None, "x.csv")
    with pytest.raises(
        DataError, match="at steps of 1, 99,990 are missing between 11 .*: a time is wrong, or data.freq"
    ):
        with_missing_steps(pl.DataFrame({"at": times}), found, kept=(), times=times, where="x.csv")


def test_a_declared_step_is_that_of_the_times():
    times = dates("1h")
    assert spacing(times, one(24), Step.parse("30m"), "x.csv").missing == 23
    with pytest.raises(DataError, match=r"data.frequency=1 is a number, and column 'at' \(data.time\) holds times"):
        spacing(times, one(24), Step.parse(1), "x.csv")
    with pytest.raises(DataError, match="data.frequency=1h is a time, and column 'at' .* holds numbers"):
        spacing(pl.Series("at", [1, 2]), one(2), Step.parse("1h"), "x.csv")
    assert spacing(pl.Series("at", [1, 2]), np.array([True, True]), None, "x.csv") is None


@pytest.mark.parametrize("text", ["1x", "0h", "-1", "h1", ""])
def test_what_is_no_frequency(text):
    with pytest.raises(ValueError, match="a time such as 30m, 1h, 1d, 1w, 1mo, 1q or 1y, or a number above 0"):
        Step.parse(text)


def test_times_of_text():
    assert instants(pl.Series(["1998 Q2", "2001-Q4"]), "f").to_list() == [datetime(1998, 4, 1), datetime(2001, 10, 1)]
    assert instants(pl.Series(["3", "10"]), "f").to_list() == [3.0, 10.0]
    assert instants(pl.Series([datetime(2024, 1, 5).date()]), "f").to_list() == [datetime(2024, 1, 5)]
    with pytest.raises(
        DataError, match="holds 'soon' in row . .from 0.: numbers are expected, or times such as 2024-01-31"
    ):
        instants(pl.Series("t", ["2024-01-31", "soon"]), "f")


@pytest.mark.parametrize(
    ("spelled", "hours"),
    [
        # Clocks go forward at two, and back at three.
        (["2024-03-31T01:00:00", "2024-03-31T03:00:00"], [0, 1]),
        (["2024-10-27 01:00", "2024-10-27 04:00"], [-1, 3]),
        (["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"], [0, 1]),
        (["2024-03-31T01:00:00+01:00", "2024-03-31 03:00"], [0, 1]),
        (["2024-03-31 1", "2024-03-31 3"], [0, 1]),
    ],
)
def test_local_times_of_a_zone(spelled, hours):
    found = instants(pl.Series("at", spelled), "x.csv", "Europe/Berlin")
    day = datetime.fromisoformat(spelled[0][:10] + "T00:00:00+00:00")
    assert [(at - day).total_seconds() / 3600 for at in found] == hours
    if "+" not in spelled[0] and " 1" not in spelled[0]:
        typed = pl.Series("at", spelled).str.to_datetime(time_unit="ms")
        assert instants(typed, "x.csv", "Europe/Berlin").equals(found)


def test_a_day_is_a_day_in_every_zone():
    days = pl.Series("at", ["2024-03-30", "2024-03-31", "2024-04-01"])
    assert str(spacing(instants(days, "f", "Europe/Berlin"), one(3), None, "f").step) == "1d"


@pytest.mark.parametrize(
    ("spelled", "zone", "said"),
    [
        (["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"], None, "mixed .*: say the zone, for example data"),
        (["2024-10-27 01:00", "2024-10-27 02:00"], "Europe/Berlin", "1 local times do not exist once .*row 1"),
        (["2024-03-31 02:30", "2024-03-31 04:00"], "Europe/Berlin", "write them with their UTC offset"),
    ],
)
def test_times_that_only_a_zone_can_tell(spelled, zone, said):
    with pytest.raises(DataError, match=f"x.csv: column 'at' .data.time.: .*{said}"):
        instants(pl.Series("at", spelled), "x.csv", zone)


def test_months_before_days():
    found = instants(pl.Series(["01/02/2024", "12/31/2024"]), "f")
    assert found.to_list() == [datetime(2024, 1, 2), datetime(2024, 12, 31)]

"""Series and events with a target for each step, as they are read."""

from __future__ import annotations

import datetime

import polars as pl
import pytest

from colonnade.core.errors import ConfigError, DataError, SchemaError
from colonnade.data.sequences.steps import StepDataset
from colonnade.data.sources.frame import Frame

START = datetime.datetime(2024, 1, 1)
LOG = pl.DataFrame(
    {
        "case": ["b", "a", "a", "b", "a", "c"],
        "when": [str(START + datetime.timedelta(hours=h)) for h in (0, 1, 3, 24, 3, 7)],
        "what": ["open", "open", "ask", "close", "close", "open"],
        "cost": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)


def dataset(frame=LOG, **options):
    return StepDataset(source=Frame(frame), **{"id": "case", "time": "when", "target": "what"} | options)


def test_steps_stand_by_series_and_time_and_the_next_is_learned():
    found = dataset(lead=1, columns={"what": "categorical"}).read()
    assert found.frame["case"].to_list() == ["b", "a", "a"]
    assert found.frame["what"].to_list() == ["open", "open", "ask"]
    # Events of one instant keep their order; the last of a series, and a series of one, are followed by nothing.
    assert found.frame["what+1"].to_list() == ["close", "ask", "close"]
    assert found.schema.targets == ("what+1",)
    assert found.schema.features == ("what", "cost")
    assert found.schema.group == "case"
    # Where they stand in the file.
    assert found.row_ids.tolist() == [0, 1, 2]


def test_a_label_is_no_channel_unless_that_of_the_step_before_is_known():
    plain = dataset(columns={"what": "categorical"}).read()
    assert plain.schema.features == ("cost",)
    assert plain.frame.height == 6
    known = dataset(known=True, columns={"what": "categorical"}).read()
    assert known.schema.features == ("cost", "what-1")
    assert known.frame["what-1"].to_list() == [None, "open", None, "open", "ask", None]


def test_elapsed_time_is_a_channel_and_may_be_a_target():
    found = dataset(elapsed="hours", target="elapsed", lead=1).read()
    assert found.frame["elapsed"].to_list() == [0.0, 0.0, 2.0]
    assert found.frame["elapsed+1"].to_list() == [24.0, 2.0, 0.0]
    assert dataset(elapsed="days").read().frame["elapsed"].to_list()[:2] == [0.0, 1.0]


def test_a_date_and_a_time_of_day_are_a_time_together():
    at = pl.col("when").str.split(" ")
    apart = LOG.with_columns(day=at.list.get(0).str.to_date(), clock=at.list.get(1)).drop("when")
    options = {"elapsed": "hours", "target": "elapsed", "lead": 1}
    together = dataset(apart, time=["day", "clock"], **options)
    found, expected = together.read(), dataset(**options).read()
    assert found.schema.features == expected.schema.features
    for name in ("case", "elapsed", "elapsed+1"):
        assert found.frame[name].equals(expected.frame[name])
    new = together.read_new(apart, found.schema, need_target=False)
    assert new.frame["elapsed"].to_list() == [[0.0], [0.0, 24.0], [0.0], [0.0, 2.0], [0.0, 2.0, 0.0], [0.0]]


def test_new_steps_come_with_their_histories():
    data = dataset(lead=1, context=2, columns={"what": "categorical"})
    schema = data.read().schema
    new = data.read_new(LOG, schema, need_target=False)
    # In the order in which the series begin; the last of each is predicted, too.
    assert new.frame["case"].to_list() == ["b", "b", "a", "a", "a", "c"]
    assert new.frame["cost"].to_list() == [[1.0], [1.0, 4.0], [2.0], [2.0, 3.0], [3.0, 5.0], [6.0]]
    assert data.steps(new.frame)["cost"].to_list() == [1.0, 4.0, 2.0, 3.0, 5.0, 6.0]
    measured = data.read_new(LOG, schema, need_target=True)
    assert measured.frame["what+1"].to_list() == ["close", "ask", "close"]
    assert measured.frame["cost"].to_list() == [[1.0], [2.0], [2.0, 3.0]]
    again = data.rows(data.read())
    assert again.frame["cost"].to_list() == measured.frame["cost"].to_list()


def test_one_series_is_divided_by_time():
    frame = pl.DataFrame({"t": range(50, 0, -1), "x": [float(i) for i in range(50)], "y": [i % 2 for i in range(50)]})
    found = dataset(frame, id=None, time="t", target="y").read()
    assert found.parts == {"train": (0, 32), "val": (32, 40), "test": (40, 50)}
    assert found.frame["x"].to_list() == [float(i) for i in range(49, -1, -1)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"context": 0}, "context=0 must be at least 1"),
        ({"lead": -1}, "lead=-1 must be 0, the step itself, or more"),
        ({"lead": 1, "known": True}, "known=true is of labels; with lead=1 the target is a channel"),
        ({"elapsed": "years"}, "elapsed='years': one of seconds, minutes, hours, days, number, or null"),
        ({"elapsed": "days", "time": None}, "elapsed=days is the time between steps: set time"),
        ({"time": ["when"]}, r"time=\['when'\]: a column, or several that spell a time together"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        dataset(**options)


@pytest.mark.parametrize(
    ("frame", "options", "error", "said"),
    [
        (LOG, {"time": "wen"}, SchemaError, "data.time=wen is no column.*'when'"),
        (
            LOG.with_columns(when=pl.lit("soon")),
            {},
            DataError,
            "column 'when' .data.time. holds 'soon' in row 0 .from 0.: numbers are expected",
        ),
        (LOG, {"time": "cost", "elapsed": "days"}, DataError, "column 'cost' .data.time. holds numbers, no dates"),
        (
            LOG.with_columns(when=pl.lit(datetime.time(7))),
            {"elapsed": "days"},
            DataError,
            "column 'when' .data.time. holds times of day, no dates",
        ),
        (LOG.rename({"cost": "elapsed"}), {"elapsed": "days"}, SchemaError, "there is a column 'elapsed' already"),
        (
            LOG,
            {"target": ["what", "elapsed"], "lead": 1},
            SchemaError,
            r"'elapsed' .data.target. is no column; to have .* data.elapsed=hours \(or seconds, minutes, days\)$",
        ),
        (
            LOG,
            {"target": ["what", "elapsed"], "lead": 1, "time": None},
            SchemaError,
            "data.elapsed=hours .* data.time=<column of times>",
        ),
        (LOG, {"time": ["when", "hour"]}, SchemaError, r"data.time=\['when', 'hour'\]: 'hour' is no column"),
        (LOG, {"target": "wat", "lead": 1}, SchemaError, "'wat' .data.target. is no column.*'what'"),
        (LOG, {"lead": 3}, DataError, "no series has more than 3 steps: none is followed by another"),
    ],
)
def test_what_does_not_fit_is_told(frame, options, error, said):
    with pytest.raises(error, match=said):
        dataset(frame, **options).read()


def test_the_label_before_must_be_in_new_data():
    data = dataset(known=True, columns={"what": "categorical"})
    schema = data.read().schema
    with pytest.raises(SchemaError, match="'what' .data.target. is no column.*needed where they are only predicted"):
        data.read_new(LOG.drop("what"), schema, need_target=False)


@pytest.mark.parametrize("word", ["split=random", "split=stratified", "cv=stratified"])
def test_series_are_not_torn(word, tmp_path):
    from colonnade.config.check import check
    from colonnade.config.compose import compose

    LOG.write_csv(tmp_path / "log.csv")
    path = f"data.path={tmp_path / 'log.csv'}"
    with pytest.raises(ConfigError, match="steps of one series are alike, so that they stay in one part"):
        check(compose(["model=gru", "data=steps", path, "data.id=case", "data.target=what", "task=multiclass", word]))


def test_what_is_said_of_a_column_holds_for_its_values_at_other_steps():
    options = {"columns": {"what": "categorical"}, "replace": {"what": {"close": "shut"}}}
    assert dataset(lead=1, **options).read().frame["what+1"].to_list() == ["shut", "ask", "shut"]
    numbered = LOG.with_columns(what=pl.Series([1, 2, 1, 3, 2, 1]))
    options["replace"] = {"what": {"1": "9"}}
    known = dataset(numbered, known=True, **options).read()
    assert known.schema.columns["what-1"].kind == "categorical"
    assert known.frame["what-1"].to_list() == [None, "9", None, "2", "9", None]


def test_a_filter_takes_no_steps_out_of_the_middle_of_a_series():
    whole = dataset(lead=1, filter="\"case\" <> 'b' and cost < 5").read()
    assert whole.row_ids.tolist() == [1]
    assert whole.frame["what+1"].to_list() == ["ask"]
    with pytest.raises(DataError, match=r"data\.filter takes steps out of the middle of 1 series \(a\)"):
        dataset(filter="what <> 'ask'").read()
    schema = dataset().read().schema
    with pytest.raises(DataError, match="the middle of 1 series"):
        dataset(filter="what <> 'ask'").read_new(LOG, schema, need_target=True)

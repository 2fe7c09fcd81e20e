"""Columns known of the steps ahead, and those of a whole series: what windows hold of them, what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, SchemaError
from colonnade.data.sequences.clock import Step, later
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.runs.assemble import assemble

WORDS = ("model=tide", "data=sequences", "task=forecast", "split=horizon", "data.context=6", "data.horizon=2")
COVARIATES = ("data.id=id", "data.time=at", "data.target=y", "data.future=[at,price,open]", "data.static=[kind,size]")


def series(n=(60, 40), *, ahead=0, seed=0):
    """Series of hours with a target, a channel, what is known ahead, and what is one value for a series; behind them
    steps of which the last alone is there."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(n)), [length + ahead for length in n])
    step = np.concatenate([np.arange(length + ahead) for length in n])
    comes = pl.Series(step >= np.array(n)[of])
    frame = pl.DataFrame(
        {
            "id": [f"s{i}" for i in of],
            "at": [str(datetime(2024, 1, 1) + timedelta(hours=int(i))) for i in step],
            "y": rng.normal(size=len(of)).cumsum(),
            "other": rng.normal(size=len(of)),
            "price": rng.normal(size=len(of)),
            "open": rng.choice(["late", "long"], len(of)).tolist(),
            "kind": ["AB"[i % 2] for i in of],
            "size": 1.0 + of,
        }
    )
    return frame.with_columns(pl.when(~comes).then(pl.col(name)).alias(name) for name in ("y", "other"))


def ready(frame, *more):
    return assemble(compose([*WORDS, *COVARIATES, *more]), frame).datamodule


def dataset(**more):
    given = {"future": ["at", "price", "open"], "static": ["kind", "size"], **more}
    return SequenceDataset(target="y", id="id", time="at", horizon=2, context=6, **given)


@pytest.mark.parametrize("short", ["skip", "repeat"])
def test_a_window_goes_on_into_what_is_known(short):
    frame = series()
    datamodule = ready(frame, f"data.short={short}")
    spec = datamodule.spec
    at = {"at.day.sin", "at.day.cos", "at.weekday.sin", "at.weekday.cos", "at.hour.sin", "at.hour.cos"}
    assert at | {"price", "open"} == {*spec.known}
    assert {*spec.static} == {"size", "kind"}
    assert spec.ahead == 2
    place = spec.num_names.index("price")
    train = frame["price"].to_numpy()[np.r_[0:42, 60:88]]
    z = (frame["price"].to_numpy() - train.mean()) / train.std()
    code = frame["open"].replace_strict({"late": 2, "long": 3}).to_numpy()
    for part in ("train", "test"):
        for batch in datamodule.loader_for(part):
            assert batch.num.shape[1] == batch.cat.shape[1] == 8
            for origin, num, cat in zip(batch.row_id.tolist(), batch.num, batch.cat):
                begin = 60 if origin >= 60 else 0
                seen = np.maximum(np.arange(origin - 6, origin + 2), begin)
                np.testing.assert_allclose(num[:, place], z[seen], atol=1e-5)
                np.testing.assert_array_equal(cat[:, spec.cat_names.index("open")], code[seen])


def test_the_calendar_of_a_time_that_columns_spell_together():
    frame = series()
    at = frame["at"].str.split(" ")
    apart = frame.with_columns(day=at.list.get(0), hour=at.list.get(1)).drop("at")
    time = ("data.time=[day,hour]", "data.future=[day,hour,price]")
    together, one = ready(apart, *time), ready(frame, "data.future=[at,price]")
    assert {name.replace("day hour", "at") for name in together.spec.known} == {*one.spec.known}
    places = [one.spec.num_names.index(name.replace("day hour", "at")) for name in together.spec.num_names]
    for a, b in zip(together.loader_for("test"), one.loader_for("test")):
        torch.testing.assert_close(a.num, b.num[..., places])
    assert {"price", "hour"} == {*ready(apart, "data.time=[day,hour]", "data.future=[hour,price]").spec.known}


def test_a_file_is_forecast_behind_the_last_target():
    schema = ready(series()).table.schema
    new = series(n=(9, 12), ahead=2, seed=3)
    table = dataset().read_new(new, schema, need_target=False)
    ends = dataset().ends(table).frame
    for i, frame in enumerate(new.partition_by("id", maintain_order=True)):
        tail = frame.tail(8)
        assert ends["price"][i].to_list() == tail["price"].to_list()
        assert ends["open"][i].to_list() == tail["open"].to_list()
        assert ends["y"][i].to_list() == tail["y"].to_list()[:6] + [None, None]
    # Windows are windows of themselves.
    assert dataset().ends(dataset().ends(table)).frame.equals(ends)
    # To be measured, steps without a target are no windows.
    measured = dataset().read_new(new, schema, need_target=True).frame
    assert measured["id"].to_list() == ["s0"] * 2 + ["s1"] * 5
    assert measured["price"][0].to_list() == new["price"].to_list()[:8]
    assert measured["other"][0].to_list() == new["other"].to_list()[:6] + [None, None]


def test_the_calendar_needs_no_rows():
    only_time = {"future": "at", "static": None}
    schema = ready(series(), "data.future=at").table.schema
    for new in (series(n=(9, 12)), series(n=(9, 12), ahead=1)):
        ends = dataset(**only_time).ends(dataset(**only_time).read_new(new, schema, need_target=False)).frame
        assert ends["at"][0].to_list() == [datetime(2024, 1, 1, hour) for hour in range(3, 11)]
        assert ends["at"][1].to_list()[-1] == datetime(2024, 1, 1, 13)
        assert ends["price"][0].to_list()[6:] == [None, None]


def test_missing_steps_have_a_time():
    schema = ready(series(), "data.future=at").table.schema
    with_gap = series(n=(9,)).filter(pl.int_range(pl.len()) != 6)
    filled = dataset(future="at", static=None, fill="forward")
    ends = filled.ends(filled.read_new(with_gap, schema, need_target=False)).frame
    assert ends["at"][0].to_list() == [datetime(2024, 1, 1, hour) for hour in range(3, 11)]


def test_steps_behind_the_last_target_are_not_learned_from():
    datamodule = ready(series(n=(60, 40), ahead=2))
    assert np.diff(datamodule.offsets).tolist() == [60, 40]
    assert "4 steps behind the last target of their series are not learned from" in datamodule.notes


def test_times_to_come():
    ends = pl.Series("t", [datetime(2024, 1, 31), datetime(2023, 12, 15)])
    assert later(ends, np.array([1, 2]), Step.parse("1mo")).to_list() == [datetime(2024, 2, 29), datetime(2024, 2, 15)]
    assert later(ends, np.array([1, 0]), Step.parse("1d")).to_list() == [datetime(2024, 2, 1), datetime(2023, 12, 15)]
    assert later(pl.Series("t", [5, 7]), np.array([2, 1]), Step.parse(3)).to_list() == [11, 10]


@pytest.mark.parametrize(
    ("change", "more", "error", "said"),
    [
        ({}, ("data.future=[prise]",), SchemaError, "data.future: 'prise' is no column; did you mean 'price'"),
        ({}, ("data.exclude=[price]",), SchemaError, r"data.future: 'price' is no feature \(excluded by the user\)"),
        (
            {"size": pl.int_range(pl.len()) % 7},
            (),
            DataError,
            r"'size' \(data.static\) changes within 2 series \(s0, s1\)",
        ),
        ({}, ("model=nlinear",), ConfigError, "model.backbone: NLinear does not look at .* or data.future=null"),
        ({}, ("model=gru",), ConfigError, "model.backbone: Recurrent does not look at .* or data.future=null"),
        ({"price": pl.lit(1.0)}, ("data.future=price",), ConfigError, "the pipeline leaves nothing of these columns"),
    ],
)
def test_what_cannot_be(change, more, error, said):
    with pytest.raises(error, match=said):
        ready(series().with_columns(**change), *more)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"horizon": None, "context": None}, r"future=\['a'\] is of series that are forecast: set horizon"),
        ({"future": ["y"]}, r"future=\['y'\] holds what is forecast: y"),
        ({"static": ["a"]}, "future and static both name a"),
    ],
)
def test_what_is_no_covariate(given, said):
    with pytest.raises(ValueError, match=said):
        SequenceDataset(target="y", **{"horizon": 2, "context": 6, "future": "a", **given})


def test_a_future_that_is_missing():
    schema = ready(series()).table.schema
    few = dataset().read_new(series(n=(9, 12), ahead=1), schema, need_target=False)
    with pytest.raises(DataError, match=r"2 series \(s0, s1\) have fewer than the 2 steps ahead .* has 1 rows behind"):
        dataset().ends(few)
    hole = series(n=(9, 12), ahead=2).with_columns(
        price=pl.when(pl.int_range(pl.len()) == 23).then(None).otherwise("price")
    )
    with pytest.raises(DataError, match=r"'price' .* needs 2, 1 times in 1 series \(s1\): the first at step \+1"):
        dataset().ends(dataset().read_new(hole, schema, need_target=False))
    never = series(n=(9, 12), ahead=2).with_columns(y=pl.when(pl.col("id") == "s1").then("y"))
    with pytest.raises(DataError, match=r"'y' \(data.target\) is missing in 1 series \(s0\)"):
        dataset().ends(dataset().read_new(never, schema, need_target=False))

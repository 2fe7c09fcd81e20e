"""Sequences from their three layouts: what is read, in which order, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import ConfigError, DataError, SchemaError
from colonnade.core.schema import TargetKind
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sources.frame import Frame
from colonnade.data.split import Predefined, Time

LONG = pl.DataFrame(
    {
        "id": ["b", "b", "a", "b", "a"],
        "t": ["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-02", "2024-01-01"],
        "x": [3.0, 1.0, 12.0, None, 11.0],
        "c": ["u", "v", "u", "u", "w"],
        "y": ["no", "no", "yes", "no", "yes"],
    }
)


def long(frame=LONG, **options):
    return SequenceDataset(source=Frame(frame), target="y", id="id", **options)


def test_a_long_table_is_ordered_by_time_within_each_series():
    table = long(time="t").read()
    assert table.frame.select("id", "x", "c", "y").to_dict(as_series=False) == {
        "id": ["b", "a"],
        "x": [[1.0, None, 3.0], [11.0, 12.0]],
        "c": [["v", "u", "u"], ["w", "u"]],
        "y": ["no", "yes"],
    }
    assert table.schema.features == ("x", "c")
    assert table.schema.exclude["t"] == "orders the steps"


def test_without_a_time_the_steps_stay_as_they_come():
    table = long(LONG.drop("t")).read()
    assert table.frame["x"].to_list() == [[3.0, 1.0, None], [12.0, 11.0]]


def test_times_that_are_numbers_in_text_are_ordered_as_numbers():
    frame = LONG.with_columns(t=pl.Series(["10", "9", "2", "9.5", "1"]))
    assert long(frame, time="t").read().frame["x"].to_list() == [[1.0, None, 3.0], [11.0, 12.0]]


def test_columns_that_spell_a_time_together_order_the_steps():
    clock = pl.Series([9, 10, 9, 7, 8])
    apart = LONG.with_columns(
        t=pl.Series(["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-02"]), h=clock
    )
    dataset = long(apart, time=["t", "h"])
    table = dataset.read()
    assert table.frame["x"].to_list() == [[1.0, None, 3.0], [11.0, 12.0]]
    assert table.schema.features == ("x", "c")
    assert {"t", "h", "t h"} <= {*table.schema.exclude}
    new = dataset.read_new(apart.drop("y")[::-1], table.schema, need_target=False)
    assert dict(zip(new.frame["id"], new.frame["x"].to_list())) == {"b": [1.0, None, 3.0], "a": [11.0, 12.0]}
    with pytest.raises(DataError, match=r"2 rows share the series and the time \(data.time=t h\) with another"):
        long(apart.with_columns(h=pl.Series([9, 10, 9, 9, 8])), time=["t", "h"]).read()


def test_further_rows_are_folded_as_the_training_rows_were():
    dataset = long(time="t")
    schema = dataset.read().schema
    new = dataset.read_new(LONG.drop("y").sample(fraction=1.0, shuffle=True, seed=1), schema, need_target=False)
    assert dict(zip(new.frame["id"], new.frame["x"].to_list())) == {"b": [1.0, None, 3.0], "a": [11.0, 12.0]}
    assert new.schema is schema


def test_a_wide_table_holds_all_channels_of_a_step_side_by_side():
    frame = pl.DataFrame({"y": ["p", "q"], "x0": [1, 5], "y0": [2, 6], "x1": [3, 7], "y1": [4, 8]})
    dataset = SequenceDataset(source=Frame(frame), target="y", channels=["h", "v"])
    table = dataset.read()
    assert table.frame.select("series", "h", "v", "y").to_dict(as_series=False) == {
        "series": ["0", "1"],
        "h": [[1, 3], [5, 7]],
        "v": [[2, 4], [6, 8]],
        "y": ["p", "q"],
    }
    new = dataset.read_new(frame.drop("y"), table.schema, need_target=False)
    assert new.frame["v"].to_list() == [[2, 4], [6, 8]]
    with pytest.raises(DataError, match=r"4 columns of values do not hold whole steps of 3 channels \(data.channels\)"):
        SequenceDataset(source=Frame(frame), target="y", channels=["a", "b", "c"]).read()


def test_a_word_among_the_numbers_of_a_wide_table():
    frame = pl.DataFrame({"y": ["p", "q"], "t0": [1.0, 5.0], "t1": ["2", None], "room": ["a", "b"]})
    with pytest.raises(DataError, match="column 'room' holds 'a', and other columns of the channel 'x' .* numbers"):
        SequenceDataset(source=Frame(frame), target="y", channels=["x"]).read()
    found = SequenceDataset(source=Frame(frame), target="y", channels=["x"], exclude=["room"]).read()
    assert found.frame["x"].to_list() == [[1.0, 2.0], [5.0, None]]


def test_ts_files_of_two_parts_do_not_mix_their_series(real_data):
    from colonnade.config.build import build
    from colonnade.config.compose import compose

    table = build(compose(["data=japanese_vowels"]).data).read()
    assert table.parts == {"train": (0, 270), "test": (270, 640)}
    lengths = table.frame["dim_0"].list.len()
    assert (lengths.min(), lengths.max(), lengths.sum()) == (7, 29, 4274 + 5687)
    assert table.frame["series"][270] == "0"
    first = table.frame["dim_0"][0].to_numpy()
    np.testing.assert_allclose(first[:3], [1.860936, 1.891651, 1.939205])


def test_what_is_padding_is_masked_and_what_is_missing_is_not():
    dataset = long(time="t")
    frame = dataset.read().frame
    from colonnade.data.lookup import Lookup

    lookup, _ = Lookup.fit(dataset.steps(frame), dataset.read().schema, np.arange(5))
    raw = dataset.raw(lookup, frame)
    assert raw.mask.tolist() == [[True] * 3, [True, True, False]]
    assert raw.num.shape == (2, 3, 1)
    assert raw.num[0, :, 0].isnan().tolist() == [False, True, False]
    assert raw.cat[1, :2, 0].tolist() == [4, 2]


@pytest.mark.parametrize(
    ("frame", "options", "error", "said"),
    [
        (LONG, {"time": "tt"}, SchemaError, "data.time=tt is no column; did you mean 't'?"),
        (LONG.rename({"id": "ids"}), {}, SchemaError, "data.id=id is no column; did you mean 'ids'?"),
        (LONG.with_columns(id=pl.lit(None, pl.String)), {}, DataError, r"column 'id' \(data.id\) is missing in 5 rows"),
        (LONG.with_columns(t=pl.lit("soon")), {"time": "t"}, DataError, r"column 't' \(data.time\) holds 'soon'"),
        (
            LONG.with_columns(t=pl.lit(1)),
            {"time": "t"},
            DataError,
            r"5 rows share the series and the time \(data.time=t\) with another \(series b, a\)",
        ),
        (
            LONG.with_columns(y=pl.Series(["no", "yes", "yes", "no", "yes"])),
            {},
            DataError,
            r"'y' changes within 1 series \(b\): it is one value for a whole series",
        ),
    ],
)
def test_what_is_no_sequence(frame, options, error, said):
    with pytest.raises(error, match=said):
        long(frame, **options).read()


def test_arguments_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"channels=\['a'\] says that the table is wide, and time=t that it is long"):
        SequenceDataset(channels=["a"], time="t")
    with pytest.raises(ValueError, match=r"channels=\['a', 'a'\]: one name or more, each once"):
        SequenceDataset(channels=["a", "a"])
    with pytest.raises(ConfigError, match="no data"):
        SequenceDataset(target="y").read()


def test_an_hour_that_is_there_twice():
    hours = [f"2024-10-27 0{h}:00" for h in (1, 2, 2, 3)]
    frame = pl.DataFrame({"id": ["a"] * 4, "at": hours, "x": [1.0, 2.0, 3.0, 4.0], "y": ["u"] * 4})
    with pytest.raises(DataError, match="2 rows share .*an hour that a clock change repeats is told apart by UTC"):
        SequenceDataset(source=Frame(frame), id="id", time="at", target="y").read()
    offsets = [f"{at}:00+0{o}:00" for at, o in zip(hours, (2, 2, 1, 1))]
    apart = frame.with_columns(at=pl.Series(offsets))
    data = SequenceDataset(source=Frame(apart), id="id", time="at", target="y", timezone="UTC", elapsed="hours")
    assert data.read().frame["elapsed"].to_list() == [[0.0, 1.0, 1.0, 1.0]]
    with pytest.raises(DataError, match="UTC offsets are mixed"):
        SequenceDataset(source=Frame(apart), id="id", time="at", target="y").read()


def test_a_split_by_a_column_of_series():
    ids = [f"s{i // 3}" for i in range(36)]
    frame = pl.DataFrame(
        {
            "id": ids,
            "x": [float(i) for i in range(36)],
            "part": [("train", "train", "val", "test")[i // 3 % 4] for i in range(36)],
            "came": [f"2024-01-{12 - i // 3:02d}" for i in range(36)],
            "step": [i % 3 for i in range(36)],
            "y": ["u" if i // 12 % 2 else "v" for i in range(36)],
        }
    )
    away = {"part": "split", "came": "split", "step": "its place"}
    data = SequenceDataset(source=Frame(frame), target="y", id="id", exclude=away, columns={"came": "datetime"})
    table = data.read()
    assert table.schema.features == ("x",)
    found = Predefined(column="part").split(table, TargetKind.CLASS, 0)
    assert found.test.tolist() == [3, 7, 11]
    assert found.val.tolist() == [2, 6, 10]
    assert Time(column="came", test=0.25).split(table, TargetKind.CLASS, 0).test.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="split column 'step' changes within a series, which stays whole"):
        Predefined(column="step").split(table, TargetKind.CLASS, 0)


def test_a_target_that_some_steps_miss_is_that_of_the_others():
    frame = LONG.with_columns(y=pl.Series([None, "no", None, None, "yes"]))
    found = long(frame, time="t").read()
    assert dict(zip(found.frame["id"], found.frame["y"])) == {"b": "no", "a": "yes"}
    assert found.frame["x"].list.len().to_list() == [3, 2]
    # A series without any is left out as a whole, where that is asked for.
    gone = frame.with_columns(y=pl.when(pl.col("id") == "b").then("y"))
    found = long(gone, time="t", drop_missing_target=True).read()
    assert found.frame["id"].to_list() == ["b"]
    assert found.frame["x"].list.len().to_list() == [3]
    new = long(frame, time="t")
    assert new.read_new(frame, found.schema, need_target=True).frame["y"].to_list() == ["no", "yes"]

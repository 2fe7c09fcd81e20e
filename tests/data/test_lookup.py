"""Lookup: strings, numbers and datetimes to tensors."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.columns import MISSING_TIME
from colonnade.data.lookup import Lookup

TEXT = st.one_of(
    st.none(),
    st.sampled_from(["", "nan", "None", "NaN", " a", "a", "ä"]),
    st.text(st.characters(exclude_categories=["Cs"])),
)


def schema(**kinds: Kind) -> Schema:
    return Schema({name: Column(name, kind) for name, kind in kinds.items()})


@given(st.lists(TEXT, max_size=30), st.lists(TEXT, max_size=30))
def test_any_strings(train: list[str | None], new: list[str | None]) -> None:
    values = train + new
    frame = pl.DataFrame({"s": pl.Series(values, dtype=pl.String)})
    lookup, layout = Lookup.fit(frame, schema(s=Kind.CATEGORICAL), np.arange(len(train)))
    levels = sorted({v for v in train if v is not None}, key=lambda v: v.encode())
    expected = [0 if v is None else levels.index(v) + 2 if v in levels else 1 for v in values]
    assert layout.levels == (tuple(levels),)
    assert layout.counts[0].tolist() == [train.count(None), 0, *(train.count(level) for level in levels)]
    stored = Lookup.from_dict(json.loads(json.dumps(lookup.to_dict())))
    for found in (lookup, stored):
        assert found(frame).cat[:, 0].tolist() == expected
    unknown = sum(code == 1 for code in expected)
    assert lookup.unknown_counts(frame) == ({"s": unknown} if unknown else {})


def test_every_kind() -> None:
    columns = {
        "num": Column("num", Kind.NUMERIC),
        "int": Column("int", Kind.INTEGER),
        "bool": Column("bool", Kind.BOOLEAN),
        "size": Column("size", Kind.ORDINAL, levels=("small", "middle", "large")),
        "text": Column("text", Kind.TEXT),
        "when": Column("when", Kind.DATETIME),
        "key": Column("key", Kind.ID),
        "skip": Column("skip", Kind.NUMERIC),
        "y": Column("y", Kind.NUMERIC),
    }
    frame = pl.DataFrame(
        {
            "num": [0.5, None, -1e300],
            "int": [2**53 - 1, None, -4],
            "bool": [True, None, False],
            "size": ["large", "small", "huge"],
            "text": ["b", "a", None],
            "when": [datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), None, datetime(2020, 1, 1, tzinfo=UTC)],
            "key": ["1", "2", "3"],
            "skip": [1.0, 2.0, 3.0],
            "y": [1.0, 2.0, 3.0],
        }
    ).with_columns(pl.col("when").dt.cast_time_unit("us"))
    lookup, layout = Lookup.fit(frame, Schema(columns, targets=("y",), exclude={"skip": "asked for"}), np.arange(3))
    raw = lookup(frame)
    assert (raw.num.dtype, raw.cat.dtype, raw.time.dtype) == (torch.float64, torch.int64, torch.int64)
    np.testing.assert_array_equal(raw.num, [[0.5, 2**53 - 1], [np.nan, np.nan], [-1e300, -4]])
    assert raw.cat.tolist() == [[3, 4, 3], [0, 2, 2], [2, 1, 0]]
    assert raw.time[:, 0].tolist() == [-1_000_000, MISSING_TIME, 1_577_836_800_000_000]
    assert layout.levels == (("false", "true"), ("small", "middle", "large"), ("a", "b"))
    assert [count.tolist() for count in layout.counts] == [[1, 0, 1, 1], [0, 1, 1, 0, 1], [1, 0, 1, 1]]
    assert lookup.names == ("num", "int", "bool", "size", "text", "when")


def test_levels_are_those_of_the_train_rows_in_any_order() -> None:
    frame = pl.DataFrame({"s": ["d", "a", "c", "b"]})
    lookup, layout = Lookup.fit(frame, schema(s=Kind.CATEGORICAL), np.array([2, 0]))
    assert layout.levels == (("c", "d"),)
    assert lookup(frame).cat[:, 0].tolist() == [3, 1, 2, 1]


def test_columns_are_found_by_name_and_may_come_in_pieces() -> None:
    frame = pl.concat([pl.DataFrame({"x": [1.0], "s": ["a"]}), pl.DataFrame({"x": [2.0], "s": ["b"]})], rechunk=False)
    lookup, layout = Lookup.fit(frame, schema(x=Kind.NUMERIC, s=Kind.CATEGORICAL), np.arange(2))
    raw = lookup(frame.select(pl.lit(9).alias("more"), "s", "x"))
    assert raw.num.tolist() == [[1.0], [2.0]]
    assert raw.cat.tolist() == [[2], [3]]


def test_no_rows_and_no_columns_of_a_kind() -> None:
    lookup, layout = Lookup.fit(pl.DataFrame({"x": [1.0]}), schema(x=Kind.NUMERIC), np.arange(1))
    raw = lookup(pl.DataFrame({"x": []}, schema={"x": pl.Float64}))
    assert (raw.num.shape, raw.cat.shape, raw.time.shape) == ((0, 1), (0, 0), (0, 0))
    assert lookup.unknown_counts(pl.DataFrame({"x": [1.0]})) == {}
    assert lookup(pl.DataFrame({"x": [1.0, 2.0]})).cat.shape == (2, 0)

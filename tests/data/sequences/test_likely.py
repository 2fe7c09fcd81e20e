"""Columns that may name series and order steps."""

from __future__ import annotations

import polars as pl
import pytest

from colonnade.core.errors import SchemaError
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.likely import likely
from colonnade.data.sources.frame import Frame

SALES = pl.DataFrame(
    {
        "region": ["N", "N", "S", "S", "N", "N", "S", "S"],
        "shop": ["a", "b", "c", "d"] * 2,
        "note": ["x"] * 8,
        "day": ["2024-01-01"] * 4 + ["2024-01-02"] * 4,
        "sold": [float(i) for i in range(8)],
    }
)


def test_the_first_that_fit_are_named():
    assert likely(SALES) == "; data.id=shop data.time=day would fit: 4 series"
    assert likely(SALES.filter(shop="a")) == "; data.id=null data.time=day would fit: one series"


def test_times_that_are_all_different_stand_in_the_order_of_their_series():
    moments = [f"2024-01-01 {hour:02d}:00" for hour in (1, 9, 2, 8, 3, 10, 4, 11)]
    events = SALES.with_columns(day=pl.Series(moments), case=pl.Series([1, 2, 1, 3, 1, 2, 1, 3]))
    assert likely(events.drop("region", "shop")) == "; data.id=case data.time=day would fit: 3 series"


def test_a_number_that_goes_up_within_each_series():
    steps = pl.DataFrame(
        {
            "row": range(60),
            "level": [0.5, 0.1, 0.4] * 20,
            "pen": [f"p{i // 6}" for i in range(60)],
            "t": [i % 6 * 0.5 for i in range(60)],
        }
    )
    assert likely(steps) == "; data.id=pen data.time=t would fit: 10 series"
    # However the file is sorted: by time, all series of an instant side by side.
    assert likely(steps.sort("t", "pen").drop("row")) == "; data.id=pen data.time=t would fit: 10 series"
    # Of a few rows, or where only the rows are numbered, nothing is said.
    assert likely(steps.head(18)) == ""
    assert likely(steps.drop("t")) == ""


def test_nothing_is_guessed_where_nothing_fits():
    assert likely(SALES.drop("shop")) == ""
    assert likely(SALES.drop("day")) == ""


def test_who_has_not_said_reads_it():
    with pytest.raises(SchemaError, match="data.id=series is no column; .*data.id=null: all rows are one series"):
        SequenceDataset(source=Frame(SALES.drop("day")), target="region").read()
    with pytest.raises(
        SchemaError, match="data.id=series is no column; known: .*; data.id=shop data.time=day would fit"
    ):
        SequenceDataset(source=Frame(SALES), target="region").read()

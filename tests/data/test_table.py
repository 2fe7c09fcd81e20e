"""Table: rows that are left out keep what is known of the others."""

from __future__ import annotations

import polars as pl

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.table import Table, frame_digest


def test_keep_narrows_parts_and_keeps_ids():
    frame = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    schema = Schema({"a": Column("a", Kind.NUMERIC)})
    table = Table(frame, schema, parts={"train": (0, 2), "test": (2, 4)})
    kept = table.keep(pl.Series([True, False, True, True]))
    assert kept.frame["a"].to_list() == [0.0, 2.0, 3.0]
    assert kept.parts == {"train": (0, 1), "test": (1, 3)}
    assert kept.row_ids.tolist() == [0, 2, 3]
    again = kept.keep(pl.Series([False, True, True]))
    assert again.row_ids.tolist() == [2, 3]
    assert again.parts == {"train": (0, 0), "test": (0, 2)}


def test_digest_depends_on_names_rows_and_order():
    digests = {
        frame_digest(frame)
        for frame in (
            pl.DataFrame({"a": [1, 2]}),
            pl.DataFrame({"b": [1, 2]}),
            pl.DataFrame({"a": [2, 1]}),
            pl.DataFrame({"a": [1, 2, 2]}),
        )
    }
    assert len(digests) == 4
    assert frame_digest(pl.DataFrame({"a": [1, 2]})) in digests

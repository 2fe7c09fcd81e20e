"""Histories: what each step looks back at."""

import numpy as np
import polars as pl

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.sequences.history import histories, spans_of
from colonnade.data.table import Table

IDS = pl.Series(["a", "a", "a", "b", "b"])


def test_a_history_ends_with_its_step_and_begins_with_its_series():
    assert spans_of(IDS, {}, 2).tolist() == [[0, 1], [0, 2], [1, 3], [3, 4], [3, 5]]
    assert spans_of(IDS, {}, 9).tolist() == [[0, 1], [0, 2], [0, 3], [3, 4], [3, 5]]
    # A part is not looked back from.
    assert spans_of(IDS, {"train": (0, 2), "test": (2, 5)}, 9).tolist() == [[0, 1], [0, 2], [2, 3], [3, 4], [3, 5]]


def test_lists_are_what_the_spans_say():
    rng = np.random.default_rng(0)
    ids = pl.Series(np.sort(rng.integers(0, 9, 60)))
    frame = pl.DataFrame({"id": ids, "x": rng.normal(size=60), "kind": rng.choice(["p", "q"], 60), "y": range(60)})
    columns = {name: Column(name, Kind.NUMERIC) for name in ("x", "kind", "y")}
    found = histories(Table(frame, Schema(columns, targets=("y",))), ids, ["x", "kind"], 4).frame
    for row, (start, stop) in enumerate(spans_of(ids, {}, 4)):
        assert found["x"][row].to_list() == frame["x"][int(start) : int(stop)].to_list()
        assert found["kind"][row].to_list() == frame["kind"][int(start) : int(stop)].to_list()
    assert found["y"].equals(frame["y"])

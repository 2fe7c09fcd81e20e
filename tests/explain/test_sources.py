"""Sources are found through any steps."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.columns import Columns
from colonnade.data.pipeline import Pipeline
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.frequency import Frequency
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.onehot import OneHot
from colonnade.explain.sources import trace

N = 60


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    kinds = {"a": Kind.NUMERIC, "c": Kind.CATEGORICAL, "b": Kind.INTEGER, "d": Kind.DATETIME, "e": Kind.CATEGORICAL}
    frame = pl.DataFrame(
        {
            "a": [None if i % 7 == 0 else float(v) for i, v in enumerate(rng.normal(size=N))],
            "c": [f"c{i % 3}" for i in range(N)],
            "b": [5.0] * N,
            "d": [datetime(2020, 1 + i % 12, 1 + i % 28) for i in range(N)],
            "e": [f"e{i % 20}" for i in range(N)],
        }
    )
    schema = Schema(columns={name: Column(name, kind) for name, kind in kinds.items()})
    steps = {
        "calendar": Calendar(parts=("year", "month")),
        "onehot": OneHot(max_levels=5),
        "frequency": Frequency(min_levels=10),
        "impute": Impute(),
    }
    return Pipeline(steps=steps).fit(frame, schema, np.zeros(N), np.arange(N), 0), frame


def test_every_encoded_column_has_its_raw_one(fitted):
    pipeline, frame = fitted
    names = (*pipeline.num_names, *pipeline.cat_names)
    found = trace(pipeline.module, pipeline.lookup, pipeline.lookup(frame), names)
    assert found.columns == ("a", "b", "c", "e", "d")
    made = {name: found.columns[i] for name, i in zip(names, [*found.num.tolist(), *found.cat.tolist()], strict=True)}
    assert made.pop("b") == "a", "what never changes comes from nowhere"
    # All rows are of one year.
    made.pop("d.year")
    assert made == {
        "a": "a",
        "d.month": "d",
        "e.frequency": "a",
        "c=c0": "c",
        "c=c1": "c",
        "c=c2": "c",
        "a.missing": "a",
        "e": "e",
    }
    assert [found.columns[i] for i in found.used] == ["a", "c", "e", "d"]


def test_columns_that_are_mixed_are_named(fitted):
    pipeline, frame = fitted

    class Sum(torch.nn.Module):
        def forward(self, num, cat, time):
            columns = Columns.of(num, cat, time)
            return (columns.num[:1] + columns.cat[:1]).T.nan_to_num().float(), cat

    found = trace(Sum(), pipeline.lookup, pipeline.lookup(frame), ("sum", "c", "e"))
    assert found.mixed == ("sum",)
    assert [found.columns[i] for i in found.used] == ["a", "c", "e"]

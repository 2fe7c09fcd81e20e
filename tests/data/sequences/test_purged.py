"""Steps whose target lies in a later part are in none, by brute force."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from colonnade.config.compose import compose
from colonnade.runs.assemble import assemble, dataset_of
from colonnade.runs.cross import divide

WORDS = ("model=event_gru", "data=steps", "data.id=case", "data.time=when", "data.columns.when=datetime")
BY_TIME = ("split=time", "split.column=when")
FOLDS = ("cv=time", "cv.column=when", "cv.folds=3")


def log(n=12, seed=0):
    """Cases that overlap in time, each of some events at times of its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(n):
        hour = float(rng.uniform(0, 60))
        for _ in range(int(rng.integers(4, 12))):
            rows.append((f"c{case}", datetime(2024, 1, 1) + timedelta(hours=round(hour, 1)), float(rng.normal())))
            hour += float(rng.exponential(6)) + 0.2
    return pl.DataFrame(rows, schema=["case", "when", "x"], orient="row")


@pytest.mark.parametrize("lead", [1, 2])
@pytest.mark.parametrize("words", [BY_TIME, FOLDS])
def test_no_step_is_told_of_a_later_part(lead, words):
    frame = log()
    cfg = compose([*WORDS, "data.target=x", f"data.lead={lead}", "data.context=3", "task=regression", *words])
    if words == FOLDS:
        cfg = divide(cfg, dataset_of(cfg, frame).read())[1][1]
    split = assemble(cfg, frame).datamodule.split
    when, case = frame["when"].to_list(), frame["case"].to_list()
    ids = [i for i in range(len(frame)) if i + lead < len(frame) and case[i] == case[i + lead]]
    rows = {name: [ids[k] for k in found] for name, found in split.parts().items()}
    for part, later in (("train", ("val", "test")), ("val", ("test",))):
        first = min(when[i] for name in later for i in rows[name])
        assert rows[part]
        assert all(when[i + lead] < first for i in rows[part])
    assert "steps whose target lies in a later part left out" in split.how
    if words == BY_TIME:
        assert f"; {len(ids) - sum(map(len, rows.values()))} steps" in split.how


def test_a_split_by_series_leaves_nothing_out():
    found = assemble(compose([*WORDS, "data.target=x", "data.lead=1", "task=regression"]), log()).datamodule.split
    assert sum(map(len, found.parts().values())) == len(log()) - 12
    assert "left out" not in found.how

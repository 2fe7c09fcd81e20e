"""The verb inspect on series: what it prints, and that the YAML it writes gives the same data."""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest

from colonnade.cli.inspect import inspect
from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, SchemaError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve series of 5 to 8 hours, two of which have a gap."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    rows = []
    for series in range(12):
        hours = [hour for hour in range(5 + series % 4) if (series, hour) not in ((3, 2), (7, 3))]
        rows += [
            (
                f"s{series}",
                f"2024-03-01T{h:02d}:00:00",
                series * 10.0 + h,
                "ab"[series % 2],
                "xy"[(series + h * h) % 7 % 2],
            )
            for h in hours
        ]
    pl.DataFrame(rows, ["pump", "at", "flow", "kind", "mode"], orient="row").write_csv("pumps.csv")
    return tmp_path


FORECAST = ["data.time=at", "data.target=flow", "data.context=3", "data.horizon=3", "task=forecast", "split=horizon"]


def shown(words, capsys):
    assert inspect(words) == 0
    return capsys.readouterr().out


def test_whole_series(folder, capsys):
    out = shown(["pumps.csv", "data=sequences", "data.id=pump", "data.time=at", "data.target=kind"], capsys)
    assert "pumps.csv  12 series, 76 steps, 4 columns" in out
    assert "Series  5 to 8 steps, median 6; named by 'pump', ordered by 'at'" in out
    assert "kind: binary, 2 classes: a 50.0%, b 50.0%" in out
    assert "colonnade train model=gru data=pumps" in out


def test_what_is_forecast(folder, capsys):
    out = shown(["pumps.csv", "data=sequences", "data.id=pump", *FORECAST], capsys)
    lengths = np.array([5 + i % 4 - (i in (3, 7)) for i in range(12)])
    assert f"flow: forecast, 3 steps ahead, from 3 before: {np.maximum(0, lengths - 5).sum()} windows" in out
    assert "named by 'pump', ordered by 'at', a step every 1h" in out
    assert "3 of 12 series have fewer than the 6 steps of a window" in out
    assert "times have gaps: a step is 1h, and 2 steps in 2 gaps are missing" in " ".join(out.split())
    assert "numeric, target" in out
    assert "colonnade train model=nlinear data=pumps" in out


def test_steps(folder, capsys):
    words = ["pumps.csv", "data=steps", "data.id=pump", "data.time=at", "data.target=mode", "data.lead=1"]
    out = shown(words, capsys)
    assert "Series  4 to 7 steps, median 6; named by 'pump', ordered by 'at'" in out
    assert "mode+1: binary" in out
    assert "repeat the features" not in out
    assert "colonnade train model=event_gru data=pumps" in out


@pytest.mark.parametrize(
    "words",
    [
        ["data=sequences", "data.time=at", "data.target=kind", "data.exclude.mode=step"],
        ["data=sequences", *FORECAST],
        ["data=steps", "data.time=at", "data.target=mode", "data.lead=1", "data.elapsed=minutes"],
        ["data=steps", "data.time=at", "data.target=mode", "data.known=true", "data.exclude.flow=unknown"],
    ],
    ids=["whole", "forecast", "next", "known"],
)
def test_the_yaml_gives_the_same_data_and_task(folder, capsys, words):
    words = ["data.path=pumps.csv", "data.id=pump", *words]
    inspect(words)
    before, cfg = build(compose(words).data).read(), compose(["data=pumps"])
    after = build(cfg.data).read()
    assert after.frame.equals(before.frame)
    assert after.schema == before.schema
    assert cfg.task.name == ("forecast" if "task=forecast" in words else "binary")
    assert cfg.choices.split == ("horizon" if "task=forecast" in words else "auto")


def test_times_that_columns_spell_together(folder, capsys):
    frame = pl.read_csv("pumps.csv")
    at = frame["at"].str.split("T")
    frame.with_columns(day=at.list.get(0), clock=at.list.get(1)).drop("at").write_csv("pumps.csv")
    words = ["data.path=pumps.csv", "data.id=pump", *FORECAST, "data=sequences", "data.time=[day,clock]"]
    out = shown(words, capsys)
    assert "named by 'pump', ordered by 'day clock'" in out
    assert "times have gaps: a step is 1h, and 2 steps in 2 gaps are missing" in " ".join(out.split())
    before, after = (build(compose(given).data).read() for given in (words, ["data=pumps"]))
    assert after.frame.equals(before.frame)
    assert after.schema == before.schema


def test_who_names_no_series_is_told_which_columns_would_fit(folder):
    with pytest.raises(
        SchemaError, match="data.id=series is no column; known: .*; data.id=pump data.time=at would fit"
    ):
        inspect(["pumps.csv", "data=sequences", "data.target=kind"])


def test_parts_are_of_tables(folder):
    with pytest.raises(ConfigError, match="parts=true compares rows of tables"):
        inspect(["pumps.csv", "data=sequences", "data.id=pump", "parts=true"])


def test_a_shipped_set_of_series_has_its_file(folder, capsys):
    out = shown(["data=digits_rows"], capsys)
    assert "1,797 series, 14,376 steps" in out
    assert "8 steps each" in out
    assert "digits_rows.yaml is there already" in out
    assert not os.path.exists("conf")

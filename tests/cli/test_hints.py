"""Hints that name a column: what they say can be typed, whatever the column is called."""

from __future__ import annotations

import re
import shlex
import sys
import types
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from colonnade.cli.commands import main
from colonnade.config.build import build
from colonnade.config.record import load_config
from colonnade.core.errors import LeakageError
from colonnade.core.schema import TargetKind
from colonnade.data.doubts import quoted
from colonnade.data.infer import infer_schema
from colonnade.data.leakage import check_leaks

NAMES = ["sp ace", "a.b", "p[0]", "x=1", "{z}", "été", "it's", "16", "true", "plain"]
N = 60


@pytest.fixture
def composed(tmp_path, monkeypatch):
    """Takes the place of the runs room: remembers the configurations that it was called with."""
    configurations = []

    def fit(cfg, run_dir):
        configurations.append(cfg)
        return {}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "colonnade.runs.fit", types.SimpleNamespace(fit=fit))
    return configurations


def inspected(capsys, *words: str) -> dict:
    """The YAML that inspect prints."""
    assert main(["inspect", "t.csv", *words, "out=-"]) == 0
    text = capsys.readouterr().out.partition("Kinds: ")[2]
    found: dict = {}
    for block in text.partition("\n# and id")[2].partition("\n")[2].split("\n\n"):
        found |= yaml.safe_load(block) or {}
    return found


def test_a_leak_is_left_out_or_waived_as_the_error_says(composed, capsys):
    y = np.arange(N) % 2
    columns = {name: np.where(y, i + 3, i) for i, name in enumerate(NAMES)}
    frame = pl.DataFrame({**columns, "size": np.random.default_rng(0).random(N), "y": y})
    frame.write_csv("t.csv")
    schema, _ = infer_schema(frame, target="y")
    with pytest.raises(LeakageError) as error:
        check_leaks(frame, schema, TargetKind.CLASS)
    outs = re.findall(r"data\.exclude\..*=leak(?= leaves it out)", str(error.value))
    waivers = re.findall(r"data\.waive=.*(?= if it is known beforehand)", str(error.value))
    assert len(outs) == len(waivers) == len(NAMES)
    typed = [word for out in outs for word in shlex.split(out)]
    assert typed != outs
    for words in (typed, outs):
        assert main(["train", "data.path=t.csv", "data.target=y", *words, "hydra.run.dir=run"]) == 0
        assert build(composed[-1].data).read().schema.exclude == dict.fromkeys(NAMES, "leak")
        assert inspected(capsys, "data.target=y", *words)["exclude"] == dict.fromkeys(NAMES, "leak")
    for name, waiver in zip(NAMES, waivers):
        [word] = shlex.split(waiver)
        assert composed_waiver(composed, word) == (name,)
    sweep = ["seed=1,2", *typed, "hydra.sweep.dir=sweep"]
    assert main(["train", "-m", "data.path=t.csv", "data.target=y", *sweep]) == 0
    for seed in (1, 2):
        assert load_config(f"sweep/seed={seed}/config.yaml").data.exclude == dict.fromkeys(NAMES, "leak")


def composed_waiver(composed: list, word: str) -> tuple[str, ...]:
    assert main(["train", "data.path=t.csv", "data.target=y", word, "hydra.run.dir=run"]) == 0
    waive: tuple[str, ...] = build(composed[-1].data).waive
    return waive


def test_kinds_and_levels_are_declared_as_the_doubts_say(composed, capsys):
    shapes: dict[str, list] = {
        "integer": list(range(N)),
        "categorical": [f"k{i}" for i in range(N)],
        "datetime": ["01/02/2024", "03/04/2024"] * (N // 2),
        "ordinal": ["very low", "low", "high"] * (N // 3),
    }
    for kind, values in shapes.items():
        pl.DataFrame(dict.fromkeys(NAMES, values) | {"size": np.arange(N) / 7}).write_csv("t.csv")
        doubts = " ".join(map(str, infer_schema(pl.read_csv("t.csv"))[1]))
        hints = []
        for name in NAMES:
            key = quoted(name)
            hint = {
                "datetime": f"data.columns.{key}='datetime:%m/%d/%Y'",
                "ordinal": f"data.levels.{key}='[very low,low,high]'",
            }.get(kind, f"data.columns.{key}={kind}")
            assert hint in doubts
            hints += shlex.split(hint)
        assert main(["train", "data.path=t.csv", *hints, "hydra.run.dir=run"]) == 0
        found = [build(composed[-1].data).read().schema.columns[name] for name in NAMES]
        assert {column.kind.value for column in found} == {kind}
        shown = inspected(capsys, *hints)
        if kind == "datetime":
            assert {column.format for column in found} == {"%m/%d/%Y"}
            assert {shown["columns"][name] for name in NAMES} == {"datetime:%m/%d/%Y"}
        elif kind == "ordinal":
            assert shown["levels"] == dict.fromkeys(NAMES, ["very low", "low", "high"])
        else:
            assert {shown["columns"][name] for name in NAMES} == {kind}


def test_inspect_writes_the_only_key_as_row_id(composed, capsys):
    pl.DataFrame({"order no": range(N), "x": np.arange(N) / 7, "y": [0, 1] * (N // 2)}).write_csv("t.csv")
    assert main(["inspect", "t.csv", "data.target=y"]) == 0
    assert "id, row id" in capsys.readouterr().out
    assert "row_id: order no\n" in Path("conf/data/t.yaml").read_text()
    assert main(["train", "data=t", "hydra.run.dir=run"]) == 0
    assert build(composed[-1].data).read().schema.row_id == "order no"


def test_folds_need_a_divider(composed, capsys):
    words = ["split=kfold", "split.inner={_target_:colonnade.data.split.Predefined,column:c}"]
    assert main(["check", "data.path=t.csv", "data.target=y", *words]) == 2
    text = capsys.readouterr().err
    assert "split.inner=Predefined cannot make folds: Random, Stratified, Group, Time or null" in text

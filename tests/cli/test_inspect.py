"""The verb inspect: what it prints, and that the YAML it writes gives the same table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colonnade.cli.inspect import command, inspect
from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, SchemaError
from colonnade.core.schema import Kind

N = 120


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    rng = np.random.default_rng(0)
    pl.DataFrame(
        {
            "order no": range(1000, 1000 + N),
            "when": [f"{1 + i % 28:02d}/{1 + i % 12:02d}/2024" for i in range(N)],
            "zip": [f"0{i % 9}123" for i in range(N)],
            "size": [["S", "M", "L", "?"][i % 4] for i in range(N)],
            "home.dest": [f"a [b] town {i % 7}" for i in range(N)],
            "amount": rng.normal(size=N).round(3),
            "won": [["yes", "no"][int(v)] for v in rng.integers(0, 2, N)],
        }
    ).write_csv("Sales 2024.csv")
    return tmp_path


def test_it_shows_columns_target_doubts_and_the_command(folder, capsys):
    assert inspect(["data.path=Sales 2024.csv", "data.target=won"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split("  ")[0].strip(): line for line in shown.splitlines()}
    assert "Sales 2024.csv  120 rows, 7 columns" in shown
    assert "id" in lines["order no ?"]
    assert "datetime" in lines["when ?"]
    assert "2024-01-01 .. 2024-12-28" in lines["when ?"]
    assert "25.0%" in lines["size"]
    assert "a [b] town" in lines["home.dest"], "brackets in the data are no markup"
    assert "categorical, target" in lines["won"]
    assert "won: binary, 2 classes: " in shown
    assert "digits with leading zeros: kept as text" in shown
    assert "colonnade train model=mlp data=sales_2024" in shown


def test_the_yaml_gives_the_same_schema_and_task(folder, capsys):
    words = ["data.path=Sales 2024.csv", "data.target=won", "data.missing=['?']"]
    inspect(words)
    before = build(compose(words).data).read()
    cfg = compose(["data=sales_2024"])
    after = build(cfg.data).read()
    assert cfg.task.name == "binary"
    assert cfg.data.name == "sales_2024"
    assert after.frame.equals(before.frame)
    for table in (before, after):
        for column in table.schema.columns.values():
            column.note = ""
    assert after.schema == before.schema
    assert after.schema.columns["when"].format == "%d/%m/%Y"
    assert after.schema.columns["size"].missing == ("?",)
    assert "Written" in capsys.readouterr().out
    # A second look at the same table changes nothing.
    inspect(["data=sales_2024"])
    shown = capsys.readouterr().out
    assert "Written" not in shown
    assert "Kept    conf/data/sales_2024.yaml is there already; out=FILE writes another" in shown
    assert "Train   colonnade train model=mlp data=sales_2024\n" in shown


def test_an_existing_file_is_never_overwritten(folder):
    kept = folder / "conf" / "data" / "sales_2024.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine: 1\n")
    with pytest.raises(ConfigError, match=r"sales_2024.yaml exists and differs: remove it, or out=<another file>"):
        inspect(["data.path=Sales 2024.csv", "data.target=won"])
    assert kept.read_text() == "mine: 1\n"


def test_printed_instead_of_written(folder, capsys):
    inspect(["data.path=Sales 2024.csv", "out=-"])
    shown = capsys.readouterr().out
    assert "none yet: data.target=<column>" in shown
    assert "  when: datetime:%d/%m/%Y" in shown
    assert "override" not in shown
    assert not (folder / "conf").exists()


def test_leaks_are_marked_and_excluded(folder, capsys):
    frame = pl.read_csv("Sales 2024.csv").with_columns(mark=pl.when(pl.col("won") == "yes").then(1).otherwise(3))
    frame.write_csv("leaky.csv")
    inspect(["data.path=leaky.csv", "data.target=won"])
    shown = capsys.readouterr().out
    assert "mark !" in shown
    assert "excluded in the YAML, data.waive=[mark]" in " ".join(shown.split())
    table = build(compose(["data=leaky"]).data).read()
    assert table.schema.exclude == {"mark": "leak"}
    assert table.schema.columns["order no"].kind is Kind.ID
    inspect(["data.path=leaky.csv", "data.target=won", "data.waive=[mark]", "out=waived.yaml"])
    assert "mark: integer" in Path("waived.yaml").read_text()
    assert "waive:\n- mark" in Path("waived.yaml").read_text()


def test_an_unlearnable_target_is_shown_not_raised(folder, capsys):
    pl.DataFrame({"x": [1.5, 2.5, 3.5], "y": ["a", "a", "a"]}).write_csv("one.csv")
    inspect(["data.path=one.csv", "data.target=y", "out=-"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "y: cannot be learned as it stands" in shown
    assert "target 'y' has the single value 'a' in all 3 rows" in shown


def test_numbers_as_targets(folder, capsys):
    inspect(["data.path=Sales 2024.csv", "data.target=amount", "out=-"])
    assert "amount: regression, mean and deviation: amount " in capsys.readouterr().out


def test_faults_are_told(folder):
    with pytest.raises(SchemaError, match="data.target=wom is no column; did you mean 'won'"):
        inspect(["data.path=Sales 2024.csv", "data.target=wom"])


def test_help(capsys):
    assert inspect([]) == 0
    assert "colonnade inspect table.csv" in capsys.readouterr().out


def test_the_command_fits_where_the_file_lies(folder):
    assert command(Path("conf/data/a.yaml"), True) == "colonnade train model=mlp data=a"
    assert command(Path("conf/data/a.yaml"), False).endswith("data.target=<column>")
    assert command(Path("my/data/a.yaml"), True).endswith(f"--config-dir={folder / 'my'}")
    assert command(Path("a.yaml"), True).startswith("move a.yaml to conf/data/, then: colonnade train")


@pytest.mark.data
@pytest.mark.skipif("COLONNADE_DATA" not in os.environ, reason="needs COLONNADE_DATA")
def test_titanic(folder, capsys):
    path = Path(os.environ["COLONNADE_DATA"]).resolve() / "titanic3.parquet"
    inspect([f"data.path={path}", "data.target=survived", "out=titanic.yaml"])
    text = Path("titanic.yaml").read_text()
    assert "  boat: leak\n" in text
    assert "  body: leak\n" in text
    assert "  home.dest: text\n" in text


def test_a_file_alone_is_its_path_and_hides_no_shipped_data_set(folder, capsys):
    with pytest.raises(DataError, match="data.path=sales 2024.csv: no such file; did you mean 'Sales 2024.csv'"):
        inspect(["sales 2024.csv", "data.target=won"])
    with pytest.raises(DataError, match="data.path=sub/it's: no such file; there is no folder sub"):
        inspect(["sub/it's"])
    with pytest.raises(ConfigError, match="'data.target': expected key=value"):
        inspect(["Sales 2024.csv", "data.target"])
    (folder / "Sales 2024.csv").rename("table.csv")
    inspect(["table.csv", "data.target=won"])
    assert "colonnade train model=mlp data=my_table" in capsys.readouterr().out
    assert compose(["data=my_table"]).data.path == "table.csv"


def test_a_known_data_set_keeps_its_file(folder, capsys):
    assert inspect(["data=wine"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("wine  178 rows, 14 columns")
    assert "data/wine.yaml is there already; out=FILE writes another" in shown
    assert "Train   colonnade train model=mlp data=wine\n" in shown
    assert not (folder / "conf").exists()
    inspect(["data=wine", "out=mine.yaml"])
    assert "name: my_wine" in Path("mine.yaml").read_text()


def test_parts_are_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = range(600)
    lines = [f"{i * 37 % 101},{i if i % 7 else ''},{'ab'[i % 2]},{i * 53 % 97}" for i in rows]
    (tmp_path / "t.csv").write_text("x,when,k,y\n" + "\n".join(lines))
    words = [
        "t.csv",
        "data.target=y",
        "data.time=when",
        "split=time",
        "out=-",
        "parts=true",
        "data.filter=when is not null",
    ]
    assert inspect(words) == 0
    shown = capsys.readouterr().out
    assert "Parts" in shown
    assert "all together" in shown
    listed = shown.split("all together")[1].splitlines()[1:]
    assert listed[0].startswith("when"), "later rows are told by their time"
    assert "chance gives .5 (val ± " in shown
    assert inspect([*words[:-1], "data.filter=x < 2 and when is not null"]) == 0
    shown = capsys.readouterr().out
    assert "too few" in shown
    assert "chance gives .5\n" in shown
    with pytest.raises(ConfigError, match="parts=yes: expected true or false"):
        inspect(["t.csv", "parts=yes"])
    with pytest.raises(ConfigError, match="parts=true compares the parts of a split, which needs a target"):
        inspect(["t.csv", "parts=true", "out=-"])

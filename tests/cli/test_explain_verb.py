"""The verb explain, on a run of the suite's own."""

import json

import pytest

from colonnade.cli.commands import main
from colonnade.config.compose import compose
from colonnade.runs.fit import fit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained") / "run"
    words = ["model=linear_sklearn", "data=breast_cancer", "threads=1", "logger=none"]
    fit(compose(words), folder)
    return folder


def test_it_prints_the_columns_by_importance(run, capsys):
    assert main(["explain", f"run={run}", "rows=20", "samples=4"]) == 0
    text = capsys.readouterr().out
    told = json.loads((run / "explanation.json").read_text())
    assert (told["method"], told["rows"], told["split"]) == ("shapley", 20, "test")
    order = [entry["column"] for entry in told["targets"][0]["importance"]]
    places = [text.index(f" {name} ") for name in order[:20]]
    assert places == sorted(places)
    assert "10 further ones" in text
    assert "deletion: " in text
    assert "attributions.parquet, explanation.json, figures/" in text


def test_several_runs_are_explained_together(run, tmp_path, capsys):
    words = ["model=linear_sklearn", "model.C=0.01", "data=breast_cancer", "threads=1", "logger=none"]
    fit(compose(words), tmp_path / "other")
    capsys.readouterr()
    typed = [f"run={run},{tmp_path / 'other'}", "rows=10", "samples=2", f"out={tmp_path / 'both'}"]
    assert main(["explain", *typed]) == 0
    text = capsys.readouterr().out
    assert "shapley, 2 runs (log-odds)" in text
    (told,) = json.loads((tmp_path / "both" / "importance.json").read_text())
    one, other = (json.loads((folder / "explanation.json").read_text()) for folder in (run, tmp_path / "other"))
    sizes = [{e["column"]: e["mean"] for e in each["targets"][0]["importance"]} for each in (one, other)]
    first = told["importance"][0]
    assert first["runs"] == [size[first["column"]] for size in sizes]
    assert (tmp_path / "both" / "figures" / "importance_runs.png").exists()
    assert main(["explain", f"run={run}", "out=x"]) == 2
    assert "out= is for several runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rows=few", "ConfigError: colonnade explain: rows=few: expected a whole number"),
        ("rows=0", "ConfigError: colonnade explain: rows=0 must be at least 1"),
        ("method=lime", "ConfigError: colonnade explain: method=lime must be one of auto, integrated_gradients"),
        ("metod=auto", "ConfigError: colonnade explain: 'metod': there is no such key; did you mean 'method'?"),
        ("method=masks", "ConfigError: method=masks does not explain LinearSklearn; use shapley"),
    ],
)
def test_slips_are_told(run, word, message, capsys):
    assert main(["explain", f"run={run}", word]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_help(capsys):
    assert main(["explain", "--help"]) == 0
    assert capsys.readouterr().out.startswith("colonnade explain run=... [data.path=...]")

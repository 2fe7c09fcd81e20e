import json
from pathlib import Path

import pytest

from colonnade.cli.commands import main
from colonnade.cli.compare import listed
from colonnade.core.errors import ConfigError


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for i, name in enumerate(("s/model=a,seed=1", "s/model=a,seed=2", "s/model=b,seed=1")):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        settings = dict(part.split("=") for part in folder.name.split(","))
        words = [f"{key}={value}" for key, value in settings.items()]
        result = {
            "status": "finished",
            "task": "regression",
            "monitor": "val/rmse",
            "mode": "min",
            "metrics": {"val": {"rmse": 1.0 + i}, "test": {"rmse": 2.0 + i}},
            "seconds": 1.0,
            "parameters": 10,
            "overrides": words,
        }
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "config.yaml").write_text(
            f"seed: {settings['seed']}\nchoices: {{model: {settings['model']}}}\noverrides: {json.dumps(words)}\n"
        )
    return tmp_path


def table(capsys) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def test_a_table_and_why_there_is_no_test(runs, capsys):
    assert main(["compare", "runs=s/model=a,seed=1,s/model=b,seed=1"]) == 0
    assert table(capsys) == [
        "2 runs",
        "# model val/rmse ↓ test/rmse time parameters runs folder",
        "1 a 1 2 1.0 s 10 1 model=a,seed=1",
        "2 b 3 4 1.0 s 10 1 model=b,seed=1",
        "folders: below s",
        "no test: 's/model=a,seed=1' has no predictions.parquet",
    ]


@pytest.mark.parametrize("word", ["sweep=s", "runs=s/*", "runs=s/model=a,seed=1,s/model=*,seed=2,s/model=b,seed=1"])
def test_a_whole_search(runs, capsys, word):
    # What else a search leaves in its folder is no run.
    (runs / "s" / "tensorboard").mkdir()
    assert main(["compare", word]) == 0
    lines = table(capsys)
    assert lines[1:4] == [
        "# model val/rmse ↓ test/rmse time parameters runs",
        "1 a 1.5 ± 0.7 2.5 ± 0.7 1.0 s 10 2 of 2",
        "2 b 3 4 1.0 s 10 1",
    ]


def test_files(runs, capsys):
    assert main(["compare", "sweep=s", "out=deep/board"]) == 0
    assert table(capsys)[-1] == "deep/board/leaderboard.html"
    assert sorted(path.name for path in (runs / "deep/board").iterdir()) == [
        "leaderboard.csv",
        "leaderboard.html",
        "leaderboard.md",
    ]
    text = (runs / "deep/board/leaderboard.md").read_text()
    assert "colonnade train -m model=a seed=1,2" in text
    assert "no test: 's/model=a,seed=1' has no predictions.parquet" in text


def test_help(capsys):
    assert main(["compare", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("colonnade compare [runs=...] [sweep=...] [out=...]\n")
    assert "\n  runs        run folders" in text


def test_it_is_among_the_verbs(capsys):
    assert main([]) == 0
    assert "\n  compare " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "give either runs=a,b,c or sweep=<folder>"),
        (["runs=a", "sweep=b"], "give either runs=a,b,c or sweep=<folder>"),
        (["run=a"], "'run': there is no such key; did you mean 'runs'?"),
        (["runs=s/model=a,seed=1,s/model=c,seed=1"], "there is no folder 's/model=c' or 'seed=1'"),
        (["runs=s/model=a,seed=1"], "'s/model=a,seed=1' has nothing to be compared with; name at least two runs"),
        (["sweep=s", "out=s/model=a,seed=1/result.json"], "is a file; name a folder"),
        (["sweep=s", "out=s/model=a,seed=1/result.json/x"], "cannot be written"),
        (["sweep=gone"], "sweep='gone' holds no run folders"),
    ],
)
def test_what_is_wrong_is_told(runs, capsys, words, text):
    assert main(["compare", *words]) == 2
    assert text in capsys.readouterr().err


def test_names_with_commas(runs):
    (runs / "a,b").mkdir()
    (runs / "a").mkdir()
    assert listed("a,b,a") == ["a,b", "a"]
    assert listed("a,a,b") == ["a", "a,b"]
    with pytest.raises(ConfigError, match="there is no folder 'b'"):
        listed("b,a")

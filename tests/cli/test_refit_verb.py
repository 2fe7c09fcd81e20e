import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from colonnade.cli.commands import main
from colonnade.config.compose import compose
from colonnade.runs.fit import fit

WORDS = ("model=linear", "trainer=cpu", "trainer.max_epochs=2", "threads=1", "logger=none", "data.target=y")


@pytest.fixture
def search(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -1.0] + rng.normal(size=150)})
    frame.write_csv(tmp_path / "t.csv")
    folder = tmp_path / "search"
    for rate in (0.001, 0.1):
        words = [*WORDS, f"data.path={tmp_path / 't.csv'}", f"optim.lr={rate}"]
        fit(compose(words), folder / f"optim.lr={rate}")
    sweep = {"command": [], "fixed": [], "swept": ["optim.lr"], "sampler": "grid"}
    (folder / "sweep.json").write_text(json.dumps(sweep))
    return folder


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_the_best_of_a_search(search, capsys):
    assert main(["refit", f"sweep={search}"]) == 0
    told = result(search / "refit")
    assert told["refit"]["run"] == "../optim.lr=0.1"
    assert "optim.lr=0.1" in told["overrides"]
    assert "rmse (monitored)" in capsys.readouterr().out
    # The refit, which lies in the search now, is no candidate; what is finished is left alone.
    assert main(["refit", f"sweep={search}"]) == 0
    assert main(["refit", f"sweep={search}", "seed=5"]) == 1
    assert "holds a run of another configuration (see its config.yaml); give another out=" in capsys.readouterr().err
    assert main(["refit", f"sweep={search}", "seed=5", "overwrite=true"]) == 0
    assert result(search / "refit")["metrics"] != told["metrics"]


def test_a_run_and_a_folder_and_further_words(search, tmp_path, monkeypatch):
    monkeypatch.chdir(search)
    assert main(["refit", "run=optim.lr=0.001"]) == 0
    assert result(search / "optim.lr=0.001-refit")["refit"]["run"] == "../optim.lr=0.001"
    assert main(["refit", "run=optim.lr=0.001", f"out={tmp_path / 'x'}", "optim.weight_decay=0.1"]) == 0
    assert "weight_decay: 0.1" in (tmp_path / "x" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ([], ["give sweep=<folder of a search> or run=<folder of a run>, one of the two"]),
        (["sweep=a", "run=b"], ["one of the two"]),
        (["swep=a"], ["'swep': there is no such key; did you mean 'sweep'?"]),
        (["sweep=a", "sead=1", "extra"], ["(2):", "did you mean 'seed'?", "'extra': expected key=value"]),
        (["sweep=a"], ["sweep: 'a' holds no search (no sweep.json)"]),
    ],
)
def test_words_that_are_not_understood(tmp_path, monkeypatch, capsys, words, texts):
    monkeypatch.chdir(tmp_path)
    assert main(["refit", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ConfigError: ")
    for text in texts:
        assert text in error


def test_a_key_that_the_configuration_lacks(search, capsys):
    assert main(["refit", f"sweep={search}", "optim.lrr=1"]) == 2
    assert "optim.lrr: optim has no 'lrr'; did you mean 'lr'?" in capsys.readouterr().err
    assert not (search / "refit").exists()


def test_no_finished_run(search, capsys):
    for path in search.glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed"}))
    assert main(["refit", f"sweep={search}"]) == 1
    assert "no run has finished with a value of what it monitors (2 failed)" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from colonnade.cli import main; main(['refit', '--help']); "
        "sys.exit(' '.join({'torch', 'lightning', 'polars', 'hydra', 'optuna'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("colonnade refit [sweep=...] [run=...] [out=...] [seed=...] [overwrite=...]\n")
    assert all(len(line) <= 120 for line in done.stdout.splitlines())

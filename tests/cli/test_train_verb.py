import os
import sys
import types

import pytest

from colonnade.cli.commands import main
from colonnade.core.errors import DataError


@pytest.fixture
def fitted(monkeypatch):
    """Takes the place of the runs room: remembers what it was called with."""
    calls = []

    def fit(cfg, run_dir):
        calls.append((cfg, run_dir))
        return {"status": "finished"}

    monkeypatch.setitem(sys.modules, "colonnade.runs.fit", types.SimpleNamespace(fit=fit))
    return calls


@pytest.fixture
def train(mini, tmp_path, monkeypatch):
    """Calls the verb on the small tree, in an empty folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = list(sys.argv)

    def call(*words):
        status = main(["train", "--config-dir", str(mini), "--config-name", "mini", *words])
        assert sys.argv == before
        return status

    return call


def test_composes_and_hands_over(train, fitted, tmp_path, monkeypatch):
    assert train("seed=3", "hydra.run.dir=run", "data.password=hush") == 0
    [(cfg, run_dir)] = fitted
    assert cfg.seed == 3
    assert "hydra" not in cfg
    assert cfg.choices.model == "net"
    assert list(cfg.overrides) == ["seed=3", "++data.password=***"]
    assert os.path.abspath(run_dir) == str(tmp_path / "here" / "run")
    assert os.listdir("run") == [], "Hydra leaves no copy of the configuration, and so no secret, behind"
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_key_of_the_signature_needs_no_plus(train, fitted):
    assert train("optim.betas=[0.8,0.9]", "optim.lr=0.5", "hydra.run.dir=run") == 0
    assert list(fitted[0][0].optim.betas) == [0.8, 0.9]
    assert fitted[0][0].optim.lr == 0.5


def test_slips_are_told_before_anything_runs(train, fitted, capsys):
    assert train("optim.lrr=1", "model=nett", "loader.batch_size=abc") == 2
    text = capsys.readouterr().err
    assert text.startswith("ConfigError: configuration (3):")
    assert "did you mean 'net'" in text
    assert "Traceback" not in text
    assert not fitted
    assert os.listdir(".") == []


def test_what_is_refused_again_when_mended_is_told_too(train, fitted, capsys):
    assert train("-m", "search={optim.lr:choice(1,2)}") == 2
    text = capsys.readouterr().err
    assert text.startswith("ConfigError: Error merging override ++search={optim.lr:choice(1,2)}")
    assert fitted == []


def test_an_error_of_the_run_is_text_with_its_status(train, fitted, monkeypatch, capsys):
    def fit(cfg, run_dir):
        raise DataError("no such file: a.csv")

    monkeypatch.setitem(sys.modules, "colonnade.runs.fit", types.SimpleNamespace(fit=fit))
    assert train("hydra.run.dir=run") == 1
    assert capsys.readouterr().err == "DataError: no such file: a.csv\n"


def test_other_errors_of_the_run_are_not_taken_for_slips(train, monkeypatch, capsys):
    def fit(cfg, run_dir):
        raise ValueError("ours")

    monkeypatch.setitem(sys.modules, "colonnade.runs.fit", types.SimpleNamespace(fit=fit))
    with pytest.raises(ValueError, match="ours"):
        train("hydra.run.dir=run")


def test_shows_the_configuration(train, fitted, capsys):
    assert train("--cfg", "job", "seed=4") == 0
    assert "\nseed: 4\n" in f"\n{capsys.readouterr().out}"
    assert not fitted


def test_a_sweep_names_an_unknown_choice_before_it_begins(train, fitted, capsys):
    assert train("-m", "model=net,nett") == 2
    assert "model=nett: there is no such model; did you mean 'net'" in capsys.readouterr().err
    assert not fitted


def test_the_folder_of_a_run_is_its_own(train, fitted):
    assert train() == 0
    assert train() == 0
    first, second = (os.path.relpath(folder) for _, folder in fitted)
    assert first != second
    assert first.startswith("outputs/file-net/")


def test_the_users_own_conf_is_found(train, fitted, tmp_path):
    own = tmp_path / "here" / "conf" / "data"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("{_target_: smallparts.Data, path: mine.csv}")
    assert train("data=mine", "hydra.run.dir=run") == 0
    assert fitted[0][0].data.path == "mine.csv"

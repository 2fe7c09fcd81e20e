"""Sweeps: the folder of a search, its record, and a whole search whose trainings end at once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from colonnade.config.locate import shipped
from colonnade.core.errors import ConfigError, SearchError
from colonnade.tuning import sweep as module
from colonnade.tuning.claims import Claims
from colonnade.tuning.plan import Plan
from colonnade.tuning.settings import Tune
from colonnade.tuning.sweep import folder_of, record, sweep

from .kit import Fake, another, cell, fail, finish, lr

PLAN = Plan("grid-adult-seed-12345678", (cell("seed=1"), cell("seed=2")), ("seed",), ("data=adult", "optim.lr=0.1"))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    GlobalHydra.instance().clear()


def config(folder="multirun", *, fresh=False):
    return OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}, "fresh": fresh})


def begin(folder="multirun", plan=PLAN, *, fresh=False, words=("data=adult", "seed=1,2"), **tune):
    """What a command does before its first job."""
    path = folder_of(config(folder, fresh=fresh), plan)
    return path, record(path, plan, words, Tune(**tune), Claims(path))


def test_the_folder_is_named_after_the_words_unless_it_is_given(tmp_path):
    assert begin()[0] == tmp_path / "multirun" / PLAN.name
    assert begin("mine")[0] == tmp_path / "mine"
    told = json.loads((tmp_path / "mine" / "sweep.json").read_text())
    assert (told["command"], told["swept"], told["sampler"]) == (["data=adult", "seed=1,2"], ["seed"], "grid")
    assert told["fixed"] == ["data=adult", "optim.lr=0.1"]


def test_secrets_are_not_recorded(tmp_path):
    plan = replace(PLAN, fixed=("data.password=hush",))
    begin("mine", plan, words=("data.password=hush", "tune.storage=postgresql://me:hush@host/x"))
    assert "hush" not in (tmp_path / "mine" / "sweep.json").read_text()


@pytest.mark.parametrize(
    "other",
    [
        {"plan": replace(PLAN, fixed=("data=adult", "optim.lr=0.2"))},
        {"plan": replace(PLAN, cells=(cell("model=a,seed=1"),))},
        {"sampler": "tpe"},
    ],
)
def test_another_search_in_the_same_folder_is_refused(tmp_path, other):
    begin("mine")
    before = (tmp_path / "mine" / "sweep.json").read_text()
    with pytest.raises(ConfigError) as error:
        begin("mine", **other)
    assert str(error.value) == (
        f"'{tmp_path}/mine' holds another search (data=adult seed=1,2); only the values of what is swept may differ: "
        "give another hydra.sweep.dir=, or fresh=true to begin anew"
    )
    assert (tmp_path / "mine" / "sweep.json").read_text() == before
    begin("mine", fresh=True, **other)


def test_other_values_and_another_order_are_the_same_search():
    _, name = begin("mine", sampler="tpe")
    plan = replace(PLAN, cells=(*PLAN.cells, cell("seed=3")), fixed=PLAN.fixed[::-1], swept=("seed", "model.width"))
    assert begin("mine", plan, sampler="tpe", retry_failed=True) == (begin("mine", plan, sampler="tpe")[0], name)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match="'.*thesis' holds something else than a search; give another"):
            begin("thesis", fresh=fresh)
        with pytest.raises(ConfigError, match=r"hydra.sweep.dir: '.*file' is a file"):
            begin("file", fresh=fresh)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_what_was_killed_before_its_record_was_written_begins_again(tmp_path):
    Claims(tmp_path / "mine").folder.mkdir(exist_ok=True)
    (tmp_path / "mine" / ".lock").touch()
    (tmp_path / "mine" / ".sweep.json.123.tmp").write_text('{"comm')
    begin("mine")
    assert not list(tmp_path.glob("mine.*"))


def test_fresh_puts_aside_and_begins_a_study_of_another_name(tmp_path):
    folder, name = begin("mine", sampler="tpe")
    (folder / "trial-0000").mkdir()
    again, other = begin("mine", fresh=True, sampler="tpe")
    [aside] = tmp_path.glob("mine.*")
    assert (aside / "trial-0000").is_dir()
    assert json.loads((aside / "sweep.json").read_text())["study"] == name
    assert again == folder
    assert not (folder / "trial-0000").exists()
    assert other != name, "a database still has the trials of the first"
    begin("new", fresh=True)
    assert not list(tmp_path.glob("new.*"))


def test_fresh_leaves_a_search_alone_that_others_work_on(tmp_path):
    folder, _ = begin("mine")
    claims = another(folder)
    with claims.locked():
        claims.take("seed=1")
    with pytest.raises(SearchError, match="fresh=true: another command works on 'seed=1' in '.*mine'; stop it first"):
        begin("mine", fresh=True)
    claims.release("seed=1")
    begin("mine", fresh=True)


def test_commands_that_start_at_once_agree_on_the_name(tmp_path):
    names = []
    threads = [threading.Thread(target=lambda: names.append(begin("mine", sampler="tpe")[1])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    assert len(set(names)) == 1


@pytest.fixture
def command(monkeypatch):
    """Runs ``-m`` with a launcher whose jobs a function trains; gives the jobs that were started."""

    def call(train, *words):
        GlobalHydra.instance().clear()
        hydra = Hydra.create_main_hydra2("train", create_config_search_path(str(shipped())))
        every = [*words, "data=breast_cancer", "model=linear", "hydra.sweep.dir=mine"]
        composed = hydra.compose_config("train", every, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        launcher = Fake(train)
        build = module.build
        with monkeypatch.context() as patch:
            patch.setattr(module, "build", lambda node: launcher if node == composed.launcher else build(node))
            sweep(list(composed.hydra.overrides.task), composed, hydra.config_loader)
        return [job.key for job in launcher.started]

    return call


def test_a_grid_from_words_to_the_table(command, tmp_path, capfd):
    def train(job):
        fail(job.folder, "TrainingError: too steep\nat length") if "seed: 2" in job.config else finish(job.folder)
        return 0

    def well(job):
        finish(job.folder)
        return 0

    with pytest.raises(SearchError, match=r"1 of 2 trainings failed, see the table; tune.retry_failed=true runs them"):
        command(train, "seed=1,2")
    out, err = capfd.readouterr()
    assert err == "search in mine\n[1/2] val/rmse 1 seed=1\n[2/2] failed: seed=2: TrainingError: too steep\n"
    assert "best again  python train.py" in out or "best again  colonnade train" in out
    assert {"leaderboard.csv", "leaderboard.md", "leaderboard.html"} <= {p.name for p in (tmp_path / "mine").iterdir()}
    with pytest.raises(SearchError):
        assert command(train, "seed=1,2") == []
    assert capfd.readouterr().err == "search in mine\n2 of 2 had ended before\n"
    assert command(well, "seed=1,2,3", "tune.retry_failed=true") == ["seed=2", "seed=3"]


def test_a_search_from_words_to_the_table(command, tmp_path, capfd):
    words = ("optim.lr=tag(log,interval(1e-4,1e-1))", "tune=tpe")

    def train(job):
        finish(job.folder, metrics={"val": {"log_loss": lr(job)}}, monitor="val/log_loss")
        return 0

    assert command(train, *words, "tune.n_trials=3") == [f"trial-{i:04d}" for i in range(3)]
    assert (tmp_path / "mine" / "figures" / "history.png").exists()
    assert "tensorboard --logdir mine" in capfd.readouterr().out
    assert command(train, *words, "tune.n_trials=4") == ["trial-0003"]
    with pytest.raises(ConfigError, match="holds another search"):
        command(train, "optim.lr=0.1,0.2")
    with pytest.raises(ConfigError, match=r"tune.points: 'optim.lrr' is not searched"):
        command(train, *words, "++tune.points=[{optim.lrr:1}]")

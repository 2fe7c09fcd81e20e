"""Every shipped configuration is composed, checked, built and run; their number is asserted, lest this goes hollow."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from colonnade.baselines.base import Job
from colonnade.baselines.module import BaselineModule
from colonnade.config.build import build
from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.config.copied import copied
from colonnade.config.locate import load_choice, shipped
from colonnade.core.errors import ConfigError
from colonnade.runs.assemble import Parts, assemble, build_trainer
from colonnade.runs.cross import divide
from colonnade.runs.fit import fit

from .kit import OF_FORECASTS, OF_SEQUENCES

FOUND = {
    group: sorted(
        path.relative_to(shipped() / group).with_suffix("").as_posix() for path in (shipped() / group).rglob("*.yaml")
    )
    for group in sorted(path.name for path in shipped().iterdir() if path.is_dir())
}
COUNTS = {
    "calibration": 4,
    "callbacks": 6,
    "cluster": 1,
    "cv": 8,
    "data": 45,
    "experiment": 14,
    "explain": 2,
    "export": 3,
    "features": 12,
    "hydra": 2,
    "launcher": 3,
    "loader": 2,
    "logger": 5,
    "model": 55,
    "optim": 3,
    "pipeline": 7,
    "search": 48,
    "split": 11,
    "task": 12,
    "trainer": 4,
    "tune": 7,
    "uncertainty": 2,
}
TARGETS = {
    "binary": "yes",
    "multiclass": "letter",
    "multilabel": "[one,two]",
    "regression": "number",
    "multitarget_regression": "[number,other]",
    "quantile": "number",
}
# What a choice needs beside its name on the table of these tests.
NEEDS = {
    "split=predefined": ["split.column=part", "data.exclude.part='the split'"],
    "split=official": ["data.parts={train:[0,60],val:[60,80],test:[80,100]}"],
    "split=group": ["data.group=team"],
    "split=time": ["data.time=day"],
    "cv=group": ["data.group=team"],
    "cv=time": ["data.time=day", "cv.purge=2d"],
}
# What neither the data nor the network depends on.
AROUND = ("callbacks", "logger", "calibration", "uncertainty", "explain", "export", "trainer", "cluster", "experiment")
# Devices that not every machine has: checked, but not built.
UNBUILT = {"trainer=gpu", "trainer=ddp"}
# Models whose rounds are counted, and what a model says that it does not learn.
TREES = ("random_forest", "xgboost", "lightgbm", "catboost")
REFUSED = {("random_forest", "quantile"), ("modernnca", "quantile"), ("minirocket", "quantile")}
# Tasks, splits and data that go with one or the other kind of sequences.
FORECASTS = ("forecast", "forecast_distribution", "forecast_quantile")
# Several numbers of a step; that every backbone gives them is in tests/contracts/test_forecast_backbones.py.
SEVERAL = [
    *((model, "forecast_quantile") for model in ("gru", "nlinear", "theta")),
    *((model, "forecast_distribution") for model in ("gru", "patchtst", "ets")),
]
STEPWISE = ("split=ett_hours", "split=horizon", "split=last_horizon")
SEQUENCES = (
    "arrowhead",
    "assist2009",
    "basic_motions",
    "covid3month",
    "digits_rows",
    "gunpoint",
    "helpdesk",
    "italy_power_demand",
    "japanese_vowels",
    "occupancy",
    "pendigits",
    "pizzaplace",
    "sequences",
    "steps",
)
SERIES = (
    "airline_passengers",
    "beijing_pm25",
    "co2",
    "etth1",
    "exchange_rate",
    "m4_hourly",
    "nyc_taxi",
    "tourism",
)
OWN = ("data=table", "data=sequences", "data=steps")


@cache
def table() -> str:
    """A small table with every kind of column and of target."""
    rows = range(100)
    return pl.DataFrame(
        {
            "height": [(i * 37 % 101) / 7 for i in rows],
            "age": [None if i % 11 == 0 else i * 13 % 70 for i in rows],
            "colour": [("red", "blue", None, "green")[i * 7 % 4] for i in rows],
            "city": [f"city {i * 29 % 23}" for i in rows],
            "day": [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in rows],
            "team": [f"team {i // 5}" for i in rows],
            "part": [("train", "train", "train", "val", "test")[i % 5] for i in rows],
            "yes": [("no", "yes")[i * 31 % 7 % 2] for i in rows],
            "letter": ["abc"[i * 17 % 11 % 3] for i in rows],
            "one": [i * 19 % 5 % 2 for i in rows],
            "two": [i * 23 % 9 % 2 for i in rows],
            "number": [(i * 53 % 97) / 9 for i in rows],
            "other": [(i * 59 % 89) * 1000.0 for i in rows],
        }
    ).write_csv()


def words(tmp_path: Path, *more: str, target: str = "yes") -> list[str]:
    """Words that choose the small table."""
    path = tmp_path / "table.csv"
    path.write_text(table())
    names = target.strip("[]").split(",")
    unused = [name for name in ("yes", "letter", "one", "two", "number", "other") if name not in names]
    exclude = [f"data.exclude.{name}='another target'" for name in unused]
    return added(f"data.path='{path}'", f"data.target={target}", "loader.batch_size=16", *exclude, *more)


def added(*given: str) -> list[str]:
    """Keys as Hydra takes them: to find out that a signature knows them takes three compositions."""
    return [f"++{word}" if word.startswith(("data.", "loader.")) else word for word in given]


def model_words(tmp_path: Path, model: str, *more: str, target: str) -> list[str]:
    """Words that choose a model, and the small table, or sequences: four of its rows are one."""
    found = words(tmp_path, f"model={model}", *more, target=target)
    if model not in OF_SEQUENCES:
        return found
    columns = target.strip("[]").split(",")
    rows = pl.read_csv(table().encode()).with_columns(team=pl.int_range(pl.len()) // 4)
    first = pl.col(columns).first().over("team")
    rows.with_columns(first).write_csv(tmp_path / "table.csv")
    return [*found, *added("data=sequences", "data.id=team", "data.exclude.part='the split'")]


def forecast_words(tmp_path: Path, model: str, *more: str) -> list[str]:
    """Words that choose a model, and the small table as one series of a hundred steps, to be forecast."""
    found = [word for word in words(tmp_path, target="[number,other]") if "yes" not in word]
    series = ["data=sequences", "data.id=null", "data.context=24", "data.horizon=3", "data.season=7", "split=horizon"]
    if not any(word.startswith("task=") for word in more):
        series.append("task=forecast")
    used = [f"data.exclude.{name}='no channel'" for name in ("part", "team", "day", "yes")]
    return [*found, *added(*series, *used, f"model={model}", *more)]


@cache
def of_model(model: str) -> DictConfig:
    """A model beside a table without a place: composed once for all tasks, which is most of the work of their tests."""
    kind = "sequences" if model in OF_SEQUENCES else "table"
    short = ["model.n_estimators=5"] if model in TREES else []
    return compose([f"model={model}", f"data={kind}", "task=binary", "data.path=''", "data.target=''", *short])


def of_task(model: str, task: str, words: list[str]) -> DictConfig:
    """What the words compose but for the words' names, with a task."""
    cfg = copied(of_model(model))
    for override in OverridesParser.create().parse_overrides(words):
        if "." in override.key_or_group:
            OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=True)
    cfg.task = load_choice("task", task)
    return cfg


def pairs() -> list[tuple[str, str]]:
    """Every model, with the tasks that it may learn."""
    # Pre-training is tried in tests/runs/test_pretraining.py, with networks of tables.
    tasks = [name for name in FOUND["task"] if name not in ("auto", "denoising", "next_event", *FORECASTS)]
    learned = [(model, task) for model in FOUND["model"] for task in tasks if model not in OF_FORECASTS]
    forecasts = [model for model in (*OF_SEQUENCES, *OF_FORECASTS) if model != "minirocket"]
    return [*learned, *((model, "forecast") for model in forecasts), *SEVERAL]


def choices(*groups: str) -> list[str]:
    return [f"{group}={name}" for group in groups for name in FOUND[group]]


def forward(parts: Parts) -> None:
    """One batch through network, loss and decoder; a baseline is fitted before."""
    chunk = next(iter(parts.datamodule.train_dataloader()))
    batch = chunk.batch
    at_once = isinstance(parts.module, BaselineModule)
    if at_once:
        parts.module.fit(*(parts.datamodule.loader_for(part).store for part in ("train", "val")), Job())
    parts.module.network.train()
    output = parts.module.network(batch)
    assert output.raw.shape[0] == len(batch)
    assert output.raw.shape[2:] == parts.module.spec.out_shape
    loss = parts.task.row_loss(output.raw, batch.target)
    assert loss.shape == (len(batch),)
    assert torch.isfinite(loss).all()
    if not at_once:
        loss.mean().backward()
    parts.module.network.eval()
    with torch.no_grad():
        decoded = parts.task.decoder(parts.module.spec)(parts.module.network(batch).raw)
    for name, value in decoded.items():
        assert value.shape[0] == len(batch), name
        assert torch.isfinite(value.float()).all(), name


def test_how_many_there_are():
    assert {group: len(names) for group, names in FOUND.items()} == COUNTS
    assert [path.name for path in shipped().glob("*.yaml")] == ["train.yaml"]


@pytest.mark.parametrize("choice", choices("data"))
def test_data_sets_are_sound(choice, tmp_path):
    name = choice.partition("=")[2]
    model = ["model=gru"] if name in (*SEQUENCES, *SERIES) else []
    cfg = compose([choice, *model, *(words(tmp_path) if choice in OWN else [])])
    check(cfg)
    dataset = build(cfg.data)
    assert dataset.target
    if choice not in OWN:
        assert cfg.data.name == name
        assert cfg.data.get("licence"), "a data set says under which licence it may be used"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FOUND["data"] if f"data={name}" not in OWN])
def test_every_data_set_trains(name, tmp_path, real_data):
    quick = ["trainer=cpu", "trainer.max_epochs=1", "logger=none", "loader.batch_size=1024"]
    model = "gru" if name in SEQUENCES else "nlinear" if name in SERIES else "linear"
    # Each step is read anew for all that look back at it.
    short = ["data.context=2"] if name in ("assist2009", "helpdesk", "occupancy", "pizzaplace") else []
    narrow = ["model.backbone.d_hidden=8", "model.backbone.n_layers=1"] if model == "gru" else []
    result = fit(compose([f"model={model}", f"data={name}", *quick, *short, *narrow]), tmp_path / "run")
    assert result["status"] == "finished"
    assert all(value is not None for value in result["metrics"]["test"].values())


@pytest.mark.parametrize(
    "choice",
    choices(
        "callbacks", "logger", "calibration", "uncertainty", "explain", "export", "trainer", "cluster", "experiment"
    ),
)
def test_what_surrounds_a_training_is_built(choice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = compose([choice] if "/" in choice else words(tmp_path, choice, "task=binary"))
    check(cfg)
    if choice not in UNBUILT:
        trainer = build_trainer(cfg, tmp_path / "run")
        assert trainer.max_epochs == cfg.trainer.max_epochs


# A model of texts is a package more, see test_features.py.
EMBEDDING = ("features=sentences",)
TABULAR = [c for c in choices("pipeline", "features", "split", "loader", "optim") if c not in (*STEPWISE, *EMBEDDING)]


@pytest.mark.parametrize("choice", TABULAR)
def test_the_other_groups_run_forward(choice, tmp_path):
    cfg = compose(words(tmp_path, choice, *NEEDS.get(choice, [])))
    check(cfg)
    parts = assemble(cfg)
    assert build(cfg.optim).build(parts.module.network) is not None
    forward(parts)


@pytest.mark.parametrize("choice", [c for c in choices("cv") if c not in ("cv=none", "cv=rolling_origin")])
def test_every_kind_of_folds_cuts_the_table(choice, tmp_path):
    cfg = compose(words(tmp_path, choice, "task=binary", *NEEDS.get(choice, [])))
    check(cfg)
    cross, folds, splits = divide(cfg, build(cfg.data).read())
    assert len(cross) == len(folds) == len(splits) > 1
    assert all(len(rows) for split in splits for rows in split.parts().values())


def test_rolling_origins_cut_the_series(tmp_path):
    cfg = compose([*forecast_words(tmp_path, "nlinear"), "cv=rolling_origin"])
    check(cfg)
    cross, folds, splits = divide(cfg, build(cfg.data).read())
    assert len(cross) == len(folds) == len(splits) == 5
    assert all(n > 0 for split in splits for n in split.counts().values())


@pytest.mark.parametrize("choice", ["split=last_horizon", "cv=rolling_origin"])
def test_a_table_is_not_divided_by_steps_and_says_so_once(choice, tmp_path):
    said = f"^configuration: {choice.partition('=')[0]}: [^\n]*series that are forecast \\(data.horizon\\)[^\n]*$"
    with pytest.raises(ConfigError, match=said):
        check(compose(words(tmp_path, "task=binary", choice)))


@pytest.mark.parametrize("choice", STEPWISE)
def test_series_are_divided_by_time(choice, tmp_path):
    fewer = ["split.steps=[60,20,20]"] if choice == "split=ett_hours" else []
    cfg = compose([*forecast_words(tmp_path, "nlinear"), choice, *fewer])
    check(cfg)
    forward(assemble(cfg))


@pytest.mark.parametrize(("model", "task"), pairs())
def test_every_model_runs_forward_on_every_task(model, task, tmp_path):
    if task in FORECASTS:
        cfg = compose(forecast_words(tmp_path, model, f"task={task}"))
    elif model == "auto":
        # It is chosen by what lies in the table.
        cfg = compose(model_words(tmp_path, model, f"task={task}", target=TARGETS[task]))
    else:
        cfg = of_task(model, task, model_words(tmp_path, model, target=TARGETS[task]))
    if (model, task) in REFUSED:
        with pytest.raises(ConfigError, match="does not learn the loss"):
            check(cfg)
        return
    check(cfg)
    forward(assemble(cfg))


@pytest.mark.parametrize("task", [name for name in TARGETS if name not in ("quantile", "multitarget_regression")])
def test_auto_finds_the_task(task, tmp_path):
    cfg = compose(words(tmp_path, "model=linear", "task=auto", target=TARGETS[task]))
    check(cfg)
    parts = assemble(cfg)
    assert parts.cfg.task.name == task
    forward(parts)

"""Every task in conf/task keeps the contract of tasks."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from colonnade.tasks.base import Task
from colonnade.testing.tasks import CHECKS, ready

CONF = Path(__file__).parents[2] / "conf" / "task"
AUTO = "auto"
# What pre-training learns are columns, no targets: tests/tasks/test_denoising.py.
CONCRETE = sorted(p.stem for p in CONF.glob("*.yaml") if p.stem not in (AUTO, "denoising"))


def build(name: str, **options: object) -> Task:
    return instantiate(OmegaConf.merge(OmegaConf.load(CONF / f"{name}.yaml"), options), _convert_="all")


def test_finds_every_task() -> None:
    assert CONCRETE == [
        "binary",
        "forecast",
        "forecast_distribution",
        "forecast_quantile",
        "multiclass",
        "multilabel",
        "multitarget_regression",
        "next_event",
        "quantile",
        "regression",
    ]
    assert len(CHECKS) == 11


def test_auto_only_marks() -> None:
    assert OmegaConf.load(CONF / "auto.yaml") == {"name": "auto", "monitor": "val/loss", "mode": "min"}


@pytest.mark.parametrize("name", CONCRETE)
def test_yaml_names_the_choice(name: str) -> None:
    cfg = OmegaConf.load(CONF / f"{name}.yaml")
    assert (cfg.name, build(name).name) == (name, name)
    assert build(name).monitor == cfg.monitor
    assert build(name).mode == cfg.mode


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CONCRETE)
def test_contract(name: str, check) -> None:
    check(ready(build(name)))


@pytest.mark.parametrize("check", CHECKS[:-1], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["binary", "multiclass", "multilabel"])
def test_contract_with_weights_and_smoothing(name: str, check) -> None:
    check(ready(build(name, class_weight="balanced", label_smoothing=0.1)))


@pytest.mark.parametrize("check", CHECKS[:-1], ids=lambda check: check.__name__)
@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_contract_of_other_losses(loss: str, check) -> None:
    check(ready(build("regression", loss=loss)))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract_of_another_distribution(check) -> None:
    check(ready(build("forecast_distribution", distribution="student_t")))

"""Every step under colonnade.data.steps keeps the contract of steps; every pipeline in conf/pipeline holds together."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

import colonnade.data.steps
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.steps.base import Step
from colonnade.data.steps.bins import Bins
from colonnade.data.steps.calendar import PARTS, Calendar
from colonnade.data.steps.frequency import Frequency
from colonnade.data.steps.groups import Groups
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.onehot import OneHot
from colonnade.data.steps.pairs import Candidate, Pairs
from colonnade.data.steps.power import Log
from colonnade.data.steps.quantile import QuantileNormal
from colonnade.data.steps.rare import Rare
from colonnade.data.steps.selector import Selector
from colonnade.data.steps.target_encode import TargetEncode
from colonnade.data.steps.text import Text
from colonnade.testing.steps import CHECKS, N_ROWS, check_export, example, example_target

CONF = sorted((Path(__file__).parents[2] / "conf" / "pipeline").glob("*.yaml"))


def all_steps() -> dict[str, type[Step]]:
    """Every concrete step defined under colonnade.data.steps."""
    found = {}
    for info in pkgutil.iter_modules(colonnade.data.steps.__path__):
        module = importlib.import_module(f"colonnade.data.steps.{info.name}")
        for name, value in vars(module).items():
            ours = inspect.isclass(value) and issubclass(value, Step) and value.__module__ == module.__name__
            if ours and not inspect.isabstract(value):
                found[name] = value
    return found


class AnyPairs(Pairs):
    """Takes some of each kind, as the example's target has nothing to do with its columns."""

    def _search(self, train, chosen, generator) -> list[tuple[Candidate, float]]:
        super()._search(train, chosen, generator)
        made = self._candidates(chosen[:4])
        return [(candidate, 0.01) for candidate in made]


STEPS = all_steps()
# Of steps that have nothing to do without.
ARGUMENTS = {
    "Expressions": {
        "columns": {
            "ratio": "plain / count",
            "logs": "log(zeros) + log1p(skewed) - sqrt(plain) * exp(-count)",
            "power": "skewed ** 2 + abs(count) ** 0.5 + 2 ** count + count ** -1",
            "waves": "sin(plain) * cos(count) + floor(plain) - ceil(zeros) + sign(count)",
            "ends": "max(plain, skewed) - min(zeros, count)",
            "truths": "(plain > 50 and not count == 0) + (skewed <= 1 or yes)",
            "chosen": "where(colour == 'red', ratio, missing(colour) + missing(skewed) + missing(when))",
            "clock": "hour(when) + 24 * weekday(when) + year(when)",
            "since": "(when - when) + (colour != 'never')",
        }
    },
    "Components": {"vectors": {"skewed": ["skewed", "zeros", "count"], "plain": ["plain"]}, "n_components": 2},
    "Gates": {"steps": 20},
    "NullImportance": {"shuffles": 3, "trees": 5},
}
VARIANTS = {
    "Bins, tree, alone": Bins(strategy="tree", n_bins=4, min_rows=5, keep=False),
    "Calendar, cyclic": Calendar(parts=PARTS, cyclic=True),
    "Frequency, all, alone": Frequency(min_levels=1, keep=False),
    "Groups, all": Groups(
        statistics=["mean", "std", "min", "median", "max", "count"],
        relations=["value", "difference", "ratio"],
        min_count=2,
    ),
    "Impute, mean, no flag": Impute(strategy="mean", flag=False),
    "Impute, constant": Impute(strategy="constant", fill=-1.0),
    "Log, chosen": Log(columns=["plain"]),
    "OneHot, all": OneHot(max_levels=100, drop_binary=False),
    "Pairs, any": AnyPairs(),
    "QuantileNormal, ties": QuantileNormal(noise=0.0, n_quantiles=50),
    "Rare, four": Rare(min_count=5, max_levels=4),
    "TargetEncode, all": TargetEncode(min_levels=1, smoothing=0.0, keep=True),
    "Text, all, alone": Text(min_levels=1, n=2, buckets=5, keep=False),
}


def test_finds_every_step() -> None:
    assert sorted(STEPS) == [
        "Bins",
        "Calendar",
        "Components",
        "Drop",
        "Duplicates",
        "Expressions",
        "Frequency",
        "Gates",
        "Groups",
        "Impute",
        "Lasso",
        "Log",
        "MutualInformation",
        "NullImportance",
        "OneHot",
        "Pairs",
        "PermutationImportance",
        "QuantileNormal",
        "Rare",
        "Robust",
        "SmoothClip",
        "Standard",
        "TargetEncode",
        "Text",
        "YeoJohnson",
    ]
    assert len(CHECKS) == 8


# An export takes seconds: steps that select become the module of Drop, and the variants of these export more.
SPARED = {"Bins", "Groups", "Pairs", "Text", *(name for name, step in STEPS.items() if issubclass(step, Selector))}
CASES = [(name, check) for name in STEPS for check in CHECKS if not (name in SPARED and check is check_export)]


@pytest.mark.parametrize(("name", "check"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_contract(name: str, check) -> None:
    check(STEPS[name](**ARGUMENTS.get(name, {})))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", VARIANTS)
def test_contract_with_options(name: str, check) -> None:
    check(VARIANTS[name])


def test_every_step_can_be_exported() -> None:
    for path in CONF:
        assert fit(path).module.exportable


def test_finds_every_pipeline() -> None:
    assert [path.stem for path in CONF] == ["default", "numeric", "quantile", "robust", "sequence", "standard", "trees"]


def fit(path: Path) -> FittedPipeline:
    pipeline: Pipeline = instantiate(OmegaConf.load(path), _convert_="all")
    frame, schema = example()
    return pipeline.fit(frame, schema, example_target(), np.arange(N_ROWS), seed=0)


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_pipelines_encode_and_store(path: Path, tmp_path: Path) -> None:
    fitted = fit(path)
    frame, _ = example()
    num, cat = fitted.encode(frame)
    assert num.isfinite().all()
    assert path.stem == "trees" or num.abs().max() < 100, "those of networks are scaled"
    fitted.save(tmp_path)
    loaded = FittedPipeline.load(tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(loaded.encode(frame), (num, cat), strict=True))
    assert "drop: column 'same' dropped: constant (7) in the train rows" in fitted.log
    assert "drop: column 'empty' dropped: no value in the train rows" in fitted.log
    assert not {"same", "empty"} & set(fitted.num_names)
    assert (path.stem == "numeric") == (not fitted.cat_names)

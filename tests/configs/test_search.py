"""Every shipped search space fits its model: its keys, its defaults, both ends of all dimensions and points between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from colonnade.baselines.base import Baseline, Job
from colonnade.baselines.problems import Rows, problems_of
from colonnade.config.build import build
from colonnade.config.by_target import settled
from colonnade.config.check import faults_of
from colonnade.config.compose import Request
from colonnade.config.compose import composed as compose_words
from colonnade.config.copied import copied
from colonnade.config.keys import resolve_key
from colonnade.config.locate import shipped
from colonnade.config.rehearse import made_up
from colonnade.config.targets import find
from colonnade.core.batch import Batch
from colonnade.core.errors import Faults
from colonnade.tuning.defaults import default_of
from colonnade.tuning.space import Dimension, parse_space

from .kit import FIXED, OF_SEQUENCES, SEARCHED

NAMES = sorted(path.stem for path in (shipped() / "search").glob("*.yaml"))
BETWEEN = 2
# Rounds are not searched: early stopping finds their number.
SHORT = dict.fromkeys(("xgboost", "lightgbm", "catboost", "random_forest"), ("model.n_estimators=5",))


def composed(*words: str) -> tuple[DictConfig, Any]:
    """The configuration of a training, and the search space that its model brings along."""
    model = next(word.removeprefix("model=") for word in words if word.startswith("model="))
    data = ["data=breast_cancer"]
    if model in OF_SEQUENCES:
        data = ["data=digits_rows", "task=binary"]
    if model in SEARCHED:
        data = ["data=etth1", "data.horizon=8"]
    cfg = compose_words([*data, *words], Request())
    return cfg, cfg.get("search")


def read(words: Mapping[str, Any], cfg: DictConfig, faults: Faults) -> dict[str, Dimension]:
    """The space, its keys spelled as Hydra takes them; faults where a word, a key or a default does not fit."""
    space = {}
    for key, found in parse_space(words, faults).items():
        word = f"{key}=0"
        mended = resolve_key(word, OverridesParser.create().parse_override(word), cfg, faults)
        if mended is None:
            continue
        space[key] = replace(found, prefix=mended.partition(key)[0])
        for default in defaults(cfg, key):
            try:
                # Optuna's own check, which knows about steps.
                point = {key: found.point(default)}
                optuna.create_trial(value=0.0, params=point, distributions={key: found.distribution})
            except (ValueError, TypeError):
                faults.add(f"{key}: the default {default} is no point of {words[key]}")
    return space


def defaults(cfg: DictConfig, key: str) -> list[Any]:
    """The default of a key; those for classes and for numbers where the kind of the target decides."""
    model, name = find(cfg.model._target_), key.removeprefix("model.")
    if issubclass(model, Baseline) and name in model.for_classes:
        return [model.for_classes[name], model.for_numbers[name]]
    return [default_of(cfg, key)]


def points(space: Mapping[str, Dimension]) -> Iterator[list[str]]:
    """Words that reach both ends of every dimension and every choice, and some points between."""
    ends = {key: found.ends() for key, found in space.items()}
    for i in range(max(map(len, ends.values()))):
        yield [space[key].word(values[min(i, len(values) - 1)]) for key, values in ends.items()]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(BETWEEN):
        trial = study.ask({key: found.distribution for key, found in space.items()})
        yield [space[key].word(value) for key, value in trial.params.items()]


def at(cfg: DictConfig, words: Sequence[str]) -> DictConfig:
    """A configuration at a point of its space: to compose it anew takes most of the time of such a test."""
    cfg = copied(cfg)
    for override in OverridesParser.create().parse_overrides(list(words)):
        OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=True)
    return cfg


def forward(cfg: DictConfig) -> None:
    """The network on a made-up table, in training and in evaluation."""
    cfg = settled(cfg)
    steps = 9 if cfg.choices.model in OF_SEQUENCES else None
    task, spec = build(cfg.task), made_up("binary", "class", n_steps=steps)
    if cfg.choices.model in SEARCHED:
        steps = cfg.data.context
        names = tuple(f"a+{i + 1}" for i in range(8))
        spec = replace(made_up("forecast", "real", n_steps=steps), horizon=8, channels=(0,), target_names=names)
        spec = replace(spec, target_mean=(0.0,) * 8, target_scale=(1.0,) * 8)
    task.setup(spec)
    network = build(cfg.model, spec=replace(spec, out_shape=task.out_shape(spec)))
    if isinstance(network, Baseline):
        rng = np.random.default_rng(0)
        n = 60 * (steps or 1)
        cat = rng.integers(0, 5, (n, 1))
        spans = None if steps is None else np.arange(60)[:, None] * steps + [0, steps]
        rows = Rows(
            rng.normal(size=(n, 2)).astype(np.float32), cat.astype(np.int32), rng.integers(0, 2, 60), None, spans
        )
        network.fit(problems_of(task, spec), rows, None, Job())
    batch = Batch(num=torch.randn(8, spec.n_num), cat=torch.arange(8).remainder(spec.cardinalities[0])[:, None])
    if steps:
        batch = Batch(num=torch.randn(8, steps, spec.n_num), cat=batch.cat[:, None].expand(-1, steps, -1))
    for training in (True, False):
        network.train(training)
        raw = network(batch).raw
        assert raw.shape[0] == len(batch)
        assert torch.isfinite(raw).all()


def test_every_model_has_one():
    """But those that have nothing to choose."""
    without = {"auto", "dummy", "tabnet_pretrain", *FIXED}
    assert sorted({path.stem for path in (shipped() / "model").glob("*.yaml")} - without) == NAMES
    assert len(NAMES) == 48


@pytest.mark.parametrize("model", NAMES)
def test_it_fits_the_model(model):
    cfg, words = composed(f"model={model}")
    faults = Faults()
    space = read(words, cfg, faults)
    assert list(faults) == []
    assert 4 <= len(space) <= 8
    cfg = at(cfg, SHORT.get(model, ()))
    for corner in points(space):
        there = at(cfg, corner)
        assert list(faults_of(there)) == [], corner
        forward(there)
    # The words are those that Hydra takes.
    assert composed(f"model={model}", *SHORT.get(model, ()), *corner)[0].model == there.model


@pytest.mark.parametrize(
    ("key", "word", "fault"),
    [
        ("model.backbone.d_blok", "int(interval(64, 1024))", "model.backbone has no 'd_blok'"),
        ("optim.lr", "tag(log, interval(1e-6, 1e-5))", "the default 0.002 is no point of"),
        ("model.backbone.d_block", "range(64, 1024, 100)", "the default 512 is no point of"),
        ("model.backbone.activation", "choice(silu, gelu)", "the default relu is no point of"),
        ("optim.weight_decay", "tag(log, interval(0, 1e-2))", "bounds above 0"),
        ("optim.lr", "1e-3", "is not interval"),
    ],
)
def test_a_planted_space_that_does_not_fit_is_found(key, word, fault):
    cfg, words = composed("model=tabm")
    faults = Faults()
    read({**words, key: word}, cfg, faults)
    assert len(faults) == 1
    assert fault in next(iter(faults))


def test_a_planted_end_that_cannot_be_built_is_found():
    cfg, _ = composed("model=ft_transformer")
    faults = Faults()
    space = read({"model.backbone.d_block": "range(92, 292, 100)"}, cfg, faults)
    assert list(faults) == []
    found = [list(faults_of(at(cfg, corner))) for corner in points(space)]
    assert any("n_heads=8 does not divide the token width 92" in fault for faults in found for fault in faults)

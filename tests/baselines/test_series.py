"""What the errors of a baseline on its train windows say of its uncertainty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from colonnade.baselines.base import Job
from colonnade.baselines.module import BaselineModule
from colonnade.baselines.naive import Naive
from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.data.sequences.windows import WindowStore
from colonnade.tasks.forecast_distribution import ForecastDistribution
from colonnade.tasks.forecast_quantile import ForecastQuantile

CONTEXT, HORIZON, LENGTHS, CHANNELS = 8, 3, (60, 40), (1, 0)


def spec_of(task=None, **more):
    names = tuple(f"{name}+{step}" for step in range(1, HORIZON + 1) for name in "ba")
    spec = BatchSpec(
        num_names=("a", "b"),
        cat_names=(),
        cardinalities=(),
        target_kind="real",
        target_names=names,
        target_mean=(20.0, 5.0) * HORIZON,
        target_scale=(4.0, 0.5) * HORIZON,
        out_shape=(len(names),),
        n_steps=CONTEXT,
        horizon=HORIZON,
        channels=CHANNELS,
        **more,
    )
    if task is not None:
        task.setup(spec)
        spec = replace(spec, out_shape=task.out_shape(spec), roles=task.roles)
    return spec


def store(seed=0):
    """Two series, of which the first three quarters are the part."""
    generator = torch.Generator().manual_seed(seed)
    num = torch.randn(sum(LENGTHS), 2, generator=generator).cumsum(0) / 4
    counts = [int(n * 0.75) - CONTEXT - HORIZON + 1 for n in LENGTHS]
    return WindowStore(
        num=num,
        cat=torch.zeros(sum(LENGTHS), 0, dtype=torch.int32),
        target=num[:, list(CHANNELS)],
        first=torch.tensor([CONTEXT, LENGTHS[0] + CONTEXT]),
        before=torch.tensor([0, counts[0], sum(counts)]),
        context=CONTEXT,
        horizon=HORIZON,
    )


def fitted(task):
    spec = spec_of(task)
    module = BaselineModule(network=Naive(spec=spec), task=task, optim=None, spec=spec)
    found = module.fit(store(), store(), Job())
    return module, found


def errors():
    """Of the last value, by hand, ``(W, horizon * C)``."""
    windows = store()
    batch = windows.rows(0, len(windows))
    last = batch.num[:, -1, list(CHANNELS)].repeat(1, HORIZON)
    return (batch.target - last).double().numpy(), last


def test_quantiles_are_those_of_the_errors_on_train_windows():
    task = ForecastQuantile(quantiles=(0.1, 0.5, 0.9))
    module, found = fitted(task)
    error, last = errors()
    raw = module.network(store().rows(0, 5)).raw
    assert raw.shape == (5, 1, 6, 3)
    expected = last[:5].numpy()[..., None] + np.quantile(error, [0.1, 0.5, 0.9], axis=0).T
    np.testing.assert_allclose(raw[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert found.size == 6 * 3


def test_a_normal_distribution_has_their_mean_and_deviation():
    module, _ = fitted(ForecastDistribution())
    error, last = errors()
    raw = module.network(store().rows(0, 5)).raw
    np.testing.assert_allclose(raw[:, 0, :, 0], last[:5].numpy() + error.mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(raw[0, 0, :, 1].exp(), error.std(0), rtol=1e-5)


def test_what_was_found_is_stored_as_numbers(tmp_path):
    task = ForecastQuantile()
    module, _ = fitted(task)
    save_file(module.network_state(), tmp_path / "network.safetensors")
    again = Naive(spec=spec_of(task))
    with pytest.raises(RuntimeError, match="fit the model, or load what was fitted"):
        again(store().rows(0, 2))
    again.load_state_dict(load_file(tmp_path / "network.safetensors"))
    assert torch.equal(again(store().rows(0, 2)).raw, module.network(store().rows(0, 2)).raw)


def test_steps_behind_the_part_are_not_looked_at():
    task = ForecastQuantile()
    module, _ = fitted(task)
    windows = store()
    changed = windows.num.clone()
    for start, n in zip((0, LENGTHS[0]), LENGTHS):
        changed[start + int(n * 0.75) : start + n] = 1e6
    other = BaselineModule(network=Naive(spec=spec_of(task)), task=task, optim=None, spec=spec_of(task))
    other.fit(replace(windows, num=changed, target=changed[:, list(CHANNELS)]), windows, Job())
    assert torch.equal(other.network.errors, module.network.errors)


def test_other_distributions_are_refused():
    task = ForecastDistribution(distribution="student_t")
    spec = spec_of(task)
    with pytest.raises(ConfigError, match="baselines forecast normal distributions alone: distribution=gaussian"):
        BaselineModule(network=Naive(spec=spec), task=task, optim=None, spec=spec)


def test_the_season_is_that_of_the_data():
    spec = spec_of(season=4)
    batch = Batch(num=torch.randn(3, CONTEXT, 2), cat=torch.zeros(3, CONTEXT, 0, dtype=torch.long))
    expected = batch.num[:, [4, 5, 6]][..., list(CHANNELS)].flatten(1).unsqueeze(1)
    assert torch.equal(Naive(spec=spec, period=None)(batch).raw, expected)
    with pytest.raises(ConfigError, match="a seasonal forecast needs a season: data.season, such as 24 hours of a day"):
        Naive(spec=spec_of(), period=None)

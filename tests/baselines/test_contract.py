"""The contract of baselines, over every baseline that the package defines and every task."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import colonnade.baselines
from colonnade.baselines.base import Baseline, Job
from colonnade.core.errors import ConfigError

from .kit import BASELINES, N_TRAIN, TASKS, batch, built, cut, fitted, raw, store, table

REFUSED = {
    ("random_forest", "huber"),
    ("random_forest", "quantile"),
    ("random_forest", "quantiles of two"),
    ("linear_sklearn", "huber"),
    ("dummy", "huber"),
}
PAIRS = [(name, task) for name in BASELINES for task in TASKS if (name, task) not in REFUSED]


def test_every_baseline_is_covered():
    found = set()
    for info in pkgutil.iter_modules(colonnade.baselines.__path__):
        module = importlib.import_module(f"colonnade.baselines.{info.name}")
        for value in vars(module).values():
            ours = inspect.isclass(value) and issubclass(value, Baseline) and value.__module__ == module.__name__
            # Those of series have tests of their own: there is nothing to fit.
            if ours and not inspect.isabstract(value) and not value.sequential:
                found.add(value)
    assert {b.func if isinstance(b, partial) else b for b in BASELINES.values()} == found
    assert len(found) == 6


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_fits_predicts_and_is_stored(name, task, tmp_path):
    module, train, val, found = fitted(name, task)
    assert found.rounds >= 1
    assert found.size >= 1
    output = raw(module, val)
    assert output.shape == (len(val), 1, *module.spec.out_shape)
    assert output.dtype == torch.float32
    assert output.isfinite().all()
    decoded = module.task.decode(output)
    metrics = module.task.metrics(decoded, torch.from_numpy(val.target), None)
    assert all(np.isfinite(value) for value in metrics.values())
    save_file(module.network_state(), tmp_path / "network.safetensors")
    again = built(name, task, table(task)[1]).network
    again.load_state_dict(load_file(tmp_path / "network.safetensors"))
    with torch.inference_mode():
        assert torch.equal(again(batch(val)).raw, output)
        one = torch.cat([again(batch(cut(val, i, i + 1))).raw for i in range(3)])
    torch.testing.assert_close(one, output[:3], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "task"), sorted(REFUSED))
def test_what_it_does_not_learn_is_refused(name, task):
    with pytest.raises(ConfigError, match="does not learn the loss"):
        built(name, task, table(task)[1])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "two targets"])
@pytest.mark.parametrize("name", [name for name in BASELINES if name != "dummy"])
def test_learns_numbers_and_categories_in_the_order_of_the_classes(name, task):
    module, _, val, _ = fitted(name, task)
    constant, *_ = fitted("dummy", task)
    target = torch.from_numpy(val.target)

    def loss(model):
        return model.task.row_loss(raw(model, val), target).mean().item()

    assert loss(module) < 0.82 * loss(constant)


@pytest.mark.parametrize("name", BASELINES)
def test_the_seed_decides(name):
    outputs = [raw(fitted(name, "binary", seed=seed)[0], table("binary")[0]) for seed in (0, 0, 1)]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2]) == (name in ("dummy", "linear_sklearn"))


@pytest.mark.parametrize("name", BASELINES)
def test_codes_that_no_train_row_held_are_predicted(name):
    """Every code of a category is a legal one: missing, unknown, and levels."""
    whole, _ = table("binary")
    whole.cat[:N_TRAIN] = 2
    module, *_ = fitted(name, "binary", rows=whole)
    for code in range(5):
        rows = cut(whole, 0, 4)
        rows.cat[:] = code
        assert raw(module, rows).isfinite().all()


@pytest.mark.parametrize("name", BASELINES)
def test_copies_and_pickles(name):
    """For processes that hand a model on; nothing of ours is stored so."""
    module, _, val, _ = fitted(name, "binary")
    expected = raw(module, val)
    for network in (copy.deepcopy(module.network), pickle.loads(pickle.dumps(module.network))):
        with torch.inference_mode():
            assert torch.equal(network(batch(val)).raw, expected)


@pytest.mark.parametrize("name", BASELINES)
def test_before_a_fit_it_says_so(name):
    module = built(name, "binary", table("binary")[1])
    with pytest.raises(RuntimeError, match="fit the model, or load"):
        raw(module, table("binary")[0])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("columns", ["numbers", "categories"])
def test_one_kind_of_columns_is_enough(name, columns):
    rows, spec = table("binary")
    if columns == "numbers":
        rows, spec = replace(rows, cat=rows.cat[:, :0]), replace(spec, cat_names=(), cardinalities=())
    else:
        rows, spec = replace(rows, num=rows.num[:, :0]), replace(spec, num_names=())
    module = built(name, "binary", spec)
    module.fit(store(cut(rows, 0, N_TRAIN)), store(cut(rows, N_TRAIN, len(rows))), Job())
    assert raw(module, rows).isfinite().all()

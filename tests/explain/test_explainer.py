"""Everything together, without a run folder: a model of one column."""

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.linear_sklearn import LinearSklearn
from colonnade.baselines.module import BaselineModule
from colonnade.core.schema import Column, Kind, Schema
from colonnade.core.spec import BatchSpec
from colonnade.data.pipeline import Pipeline
from colonnade.data.steps.impute import Impute
from colonnade.data.store import Store
from colonnade.explain.explainer import explain
from colonnade.explain.options import Explain
from colonnade.explain.subject import Subject
from colonnade.tasks.regression import Regression

N = 50


def test_one_column_is_the_whole_score():
    x = np.random.default_rng(0).normal(size=N)
    frame = pl.DataFrame({"x": x})
    schema = Schema(columns={"x": Column("x", Kind.NUMERIC)})
    target = torch.from_numpy(5 * x)[:, None].float()
    pipeline = Pipeline(steps={"impute": Impute()}).fit(frame, schema, target, np.arange(N), 0)
    spec = BatchSpec(
        num_names=pipeline.num_names,
        cat_names=(),
        cardinalities=(),
        target_kind="real",
        target_names=("y",),
        target_mean=(100.0,),
        target_scale=(2.0,),
    )
    task = Regression()
    task.setup(spec)
    spec = replace(spec, out_shape=task.out_shape(spec))
    network = LinearSklearn(spec=spec, C=1e6)
    num, cat = pipeline.encode(frame)
    store = Store(num=num, cat=cat, row_id=torch.arange(N), target=target)
    BaselineModule(network=network, task=task, optim=None, spec=spec).fit(store, store, Job())
    found = explain(Subject(network, pipeline, task, spec), frame.head(7), frame.tail(9), Explain(samples=9))
    (view,) = found.views
    # Standardised values are 5 x, those of the target 2 * 5 x + 100.
    np.testing.assert_allclose(view.score, 100 + 10 * x[:7], rtol=1e-4)
    np.testing.assert_allclose(view.values[:, 0], 10 * (x[:7] - x[-9:].mean()), atol=1e-2)
    np.testing.assert_allclose(view.base, 100 + 10 * x[-9:].mean(), rtol=1e-4)
    assert (found.method, found.unit, found.n_background) == ("shapley", "units of the target", 9)
    assert view.interactions == []
    assert view.deletion.deleted.tolist() == [0, 1]
    assert view.deletion.ratio == 1, "of one column there is one order"
    (curve,) = found.curves
    np.testing.assert_allclose(np.diff(curve.ale[:, 0]), 10 * np.diff(curve.grid), rtol=1e-3)

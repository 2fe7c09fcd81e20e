"""Small encoded tables, the tasks on them, and every baseline in a size that fits them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.catboost import CatBoost
from colonnade.baselines.dummy import Dummy
from colonnade.baselines.lightgbm import LightGBM
from colonnade.baselines.linear_sklearn import LinearSklearn
from colonnade.baselines.module import BaselineModule
from colonnade.baselines.problems import Rows
from colonnade.baselines.random_forest import RandomForest
from colonnade.baselines.xgboost import XGBoost
from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.data.store import Store
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression

N, N_TRAIN = 400, 280
JOB = Job()
CARDINALITIES = (5, 7)
TASKS = {
    "binary": Binary,
    "multiclass": Multiclass,
    "two classes": Multiclass,
    "multilabel": Multilabel,
    "regression": Regression,
    "two targets": Regression,
    "mae": partial(Regression, loss="mae"),
    "huber": partial(Regression, loss="huber"),
    "quantile": partial(Quantile, quantiles=(0.1, 0.5, 0.9)),
    "quantiles of two": partial(Quantile, quantiles=(0.1, 0.5, 0.9)),
}
SMALL = {"n_estimators": 20, "patience": 5}
BASELINES = {
    "dummy": Dummy,
    "linear_sklearn": LinearSklearn,
    "random_forest": partial(RandomForest, n_estimators=10),
    "xgboost": partial(XGBoost, **SMALL),
    "lightgbm": partial(LightGBM, min_data_in_leaf=5, learning_rate=0.2, **SMALL),
    "catboost": partial(CatBoost, depth=4, **SMALL),
}
TREES = ("xgboost", "lightgbm", "catboost")


def table(task, *, seed=0, weight=None):
    """Rows whose target follows from the first number and the first category; its specification without out_shape."""
    rng = np.random.default_rng(seed)
    num = rng.normal(size=(N, 3)).astype(np.float32)
    cat = np.stack([rng.integers(2, c, size=N) for c in CARDINALITIES], axis=1).astype(np.int32)
    cat[::17, 0], cat[::19, 1] = 0, 1
    score = num[:, 0] + np.where(cat[:, 0] == 3, 1.5, -0.5) + 0.3 * rng.normal(size=N)
    other = -num[:, 1] + 0.3 * rng.normal(size=N)
    kind, names, classes, counts, mean, scale = "class", ("y",), ("a", "b"), (), (), ()
    match task:
        case "binary" | "two classes":
            target = (score > 0).astype(np.int64)
        case "multiclass":
            target, classes = np.digitize(score, [-0.7, 0.7]).astype(np.int64), ("a", "b", "c")
        case "multilabel":
            target = np.stack([score > 0, other > 0.5], axis=1).astype(np.float32)
            kind, names, classes = "multilabel", ("y", "z"), ()
        case _:
            several = "two" in task
            target = (np.stack([score, other], axis=1) if several else score[:, None]).astype(np.float32)
            kind, classes = "real", ()
            names, mean, scale = (("y", "z"), (10.0, -1.0), (4.0, 0.5)) if several else (("y",), (10.0,), (4.0,))
    if kind == "class":
        counts = tuple(np.bincount(target[:N_TRAIN], minlength=len(classes)).tolist())
    elif kind == "multilabel":
        counts = tuple(target[:N_TRAIN].sum(0).astype(int).tolist())
    spec = BatchSpec(
        num_names=("p", "q", "r"),
        cat_names=("c", "d"),
        cardinalities=CARDINALITIES,
        target_kind=kind,
        target_names=names,
        classes=classes,
        class_counts=counts,
        target_mean=mean,
        target_scale=scale,
        n_train=N_TRAIN,
    )
    return Rows(num, cat, target, weight), spec


def cut(rows, start, stop):
    weight = None if rows.weight is None else rows.weight[start:stop]
    return Rows(rows.num[start:stop], rows.cat[start:stop], rows.target[start:stop], weight)


def store(rows):
    return Store(
        num=torch.from_numpy(rows.num),
        cat=torch.from_numpy(rows.cat),
        row_id=torch.arange(len(rows)),
        target=torch.from_numpy(rows.target),
        weight=None if rows.weight is None else torch.from_numpy(rows.weight.astype(np.float32)),
    )


def batch(rows):
    return Batch(num=torch.from_numpy(rows.num), cat=torch.from_numpy(rows.cat).long())


def built(name, task, spec, seed=0, **options):
    """The module of a baseline and its task, set up but not fitted."""
    learner = TASKS[task]() if isinstance(task, str) else task
    learner.setup(spec)
    spec = replace(spec, out_shape=learner.out_shape(spec))
    network = BASELINES[name](spec=spec, **options)
    return BaselineModule(network=network, task=learner, optim=None, spec=spec, seed=seed)


def fitted(name, task, *, rows=None, seed=0, job=JOB, balanced=False, **options):
    """A fitted module, the train rows, the validation rows, and what the fit returned."""
    whole, spec = table(task if isinstance(task, str) else task.name)
    whole = rows if rows is not None else whole
    train, val = cut(whole, 0, N_TRAIN), cut(whole, N_TRAIN, N)
    module = built(name, task, spec, seed, **options)
    return module, train, val, module.fit(store(train), store(val), job, balanced=balanced)


def raw(module, rows):
    with torch.inference_mode():
        return module.network(batch(rows)).raw

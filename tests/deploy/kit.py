"""Small predictors on a table with every kind of column, that are not trained: what they compute is all that counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
import torch
from torch import nn

from colonnade.baselines.base import Job
from colonnade.baselines.catboost import CatBoost
from colonnade.baselines.lightgbm import LightGBM
from colonnade.baselines.module import BaselineModule
from colonnade.baselines.random_forest import RandomForest
from colonnade.baselines.xgboost import XGBoost
from colonnade.core.batch import Batch
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.lookup import Lookup
from colonnade.data.pipeline import Pipeline
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.scale import Standard
from colonnade.data.store import Store
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.network import Network
from colonnade.tasks.base import Task
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression
from colonnade.testing.steps import example
from colonnade.testing.tasks import example_spec
from colonnade.training.predictor import Predictor

TOKENS = {
    "numerical": partial(LinearEmbedding, d_embedding=8),
    "categorical": partial(CategoricalEmbedding, d_embedding=8, bias=True),
}
MODELS = {
    "linear": {"backbone": Linear},
    "mlp": {"backbone": partial(MLP, d_hidden=[8]), "categorical": MixedEmbedding},
    "ft_transformer": {"backbone": partial(FTTransformer, d_block=8, n_heads=2, n_blocks=1), **TOKENS},
    "tabnet": {"backbone": partial(TabNet, d_decision=4, d_attention=4, n_steps=1)},
    "tabm": {"backbone": partial(TabM, n_members=3, d_block=8, n_blocks=1)},
}
TREES = {
    "forest": partial(RandomForest, n_estimators=5),
    "xgboost": partial(XGBoost, n_estimators=5),
    "lightgbm": partial(LightGBM, n_estimators=5, min_data_in_leaf=5, learning_rate=0.3),
    "catboost": partial(CatBoost, n_estimators=5, depth=3, one_hot_max_size=2),
}
TASKS = {
    "binary": Binary,
    "multiclass": Multiclass,
    "multilabel": Multilabel,
    "regression": Regression,
    "quantile": partial(Quantile, quantiles=(0.1, 0.5, 0.9)),
}


@dataclass
class Made:
    """A predictor and all that belongs to it."""

    predictor: Predictor
    lookup: Lookup
    schema: object
    spec: BatchSpec
    task: Task
    frame: pl.DataFrame


def made(model: str, task: str, columns: list[str] | None = None) -> Made:
    """A model with random weights, or trees that were fitted, on some columns of the example."""
    frame, schema = example()
    if columns is not None:
        schema.columns = {name: schema.columns[name] for name in columns}
    frame = frame.select(list(schema.columns))
    steps = {"calendar": Calendar(parts=("elapsed",)), "impute": Impute(), "scale": Standard()}
    pipeline = Pipeline(steps=steps).fit(frame, schema, torch.zeros(160), np.arange(160), seed=0)
    learner = TASKS[task]()
    spec = replace(
        example_spec(TargetKind(learner.target_kind), n_classes=2 if task == "binary" else 4),
        num_names=pipeline.num_names,
        cat_names=pipeline.cat_names,
        cardinalities=pipeline.cardinalities,
    )
    learner.setup(spec)
    spec = replace(spec, out_shape=learner.out_shape(spec))
    torch.manual_seed(0)
    network = grown(spec, model, learner, pipeline.encode(frame)) if model in TREES else spread(spec, model)
    predictor = Predictor(pipeline=pipeline.module, network=network, decoder=learner.decoder(spec))
    return Made(predictor, pipeline.lookup, schema, spec, learner, frame)


def spread(spec: BatchSpec, model: str) -> Network:
    """A network whose outputs differ from row to row, and whose running statistics are not those it began with."""
    network = Network(spec=spec, **MODELS[model])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        cat = torch.stack([torch.randint(0, c, (64,)) for c in spec.cardinalities], 1) if spec.n_cat else None
        network.train()(Batch(num=torch.randn(64, spec.n_num), cat=torch.zeros(64, 0).long() if cat is None else cat))
    return network.eval()


def grown(spec: BatchSpec, model: str, task: Task, encoded: tuple[torch.Tensor, torch.Tensor]) -> nn.Module:
    """Small trees that are fitted to the first category, else to the first number."""
    num, cat = encoded
    by = cat[:, 0].float() + 0.1 * num[:, -1] if cat.shape[1] else num[:, 0]
    rank = by.argsort().argsort()
    match spec.target_kind:
        case TargetKind.CLASS:
            target = rank * len(spec.classes) // len(rank)
        case TargetKind.MULTILABEL:
            target = torch.stack([rank % len(rank) > len(rank) // 2] * len(spec.target_names), 1).float()
        case _:
            target = torch.stack([by] * len(spec.target_names), 1)
    store = Store(num=num, cat=cat.int(), row_id=torch.arange(len(num)), target=target)
    network = TREES[model](spec=spec)
    BaselineModule(network=network, task=task, optim=None, spec=spec).fit(store, store, Job())
    return network

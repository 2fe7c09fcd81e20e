from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from colonnade.config.compose import compose
from colonnade.tuning.defaults import default_of

CFG = OmegaConf.create(
    {
        "seed": 3,
        "model": {
            "backbone": {
                "_target_": "colonnade.nn.backbones.mlp.MLP",
                "_partial_": True,
                "dropout": "${rate}",
                "activation": None,
            },
            "numerical": {"_target_": "colonnade.nn.embed.identity.Identity", "widths": [1, 2]},
        },
        "rate": 0.25,
        "optim": {"_target_": "colonnade.training.optim.OptimizerBuilder", "lr": "???", "eps": "${nowhere}"},
    }
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 3),
        ("model.backbone.dropout", 0.25),
        ("model.backbone.activation", None),
        ("model.numerical.widths", [1, 2]),
        ("model.backbone.d_hidden", [384, 384]),
        ("optim.grad_clip", None),
        ("optim.weight_decay", 0.0),
    ],
)
def test_it_is_what_yaml_or_else_the_signature_says(key, value):
    found = default_of(CFG, key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "key",
    [
        "nothing",
        "no.thing",
        "seed.bits",
        "rate.of.change",
        "model.backbone.d_hiden",
        "model.backbone.layout",
        "model.backbone.d_hidden.0",
        "model.backbone.activation.name",
        "model.numerical.widths.0",
        "optim.lr",
        "optim.lr.base",
        "optim.eps",
    ],
)
def test_a_key_without_one_is_told(key):
    with pytest.raises(KeyError, match=key):
        default_of(CFG, key)


@pytest.mark.parametrize(
    ("model", "task", "key", "value"),
    [
        ("xgboost", "binary", "max_depth", 6),
        ("xgboost", "regression", "max_depth", 9),
        ("lightgbm", "quantile", "min_data_in_leaf", 3),
        ("catboost", "multilabel", "depth", 7),
        ("random_forest", "multiclass", "max_features", "sqrt"),
        ("xgboost", "auto", "max_depth", None),
        ("random_forest", "binary", "min_samples_leaf", 1),
    ],
)
def test_of_a_baseline_the_kind_of_the_target_decides(model, task, key, value):
    cfg = compose([f"model={model}", f"task={task}", "data.path=t.csv", "data.target=y"])
    assert default_of(cfg, f"model.{key}") == value

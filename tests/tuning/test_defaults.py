from __future__ import annotations

import pytest
from omegaconf import OmegaConf

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

"""Activations that are written by other operators, against those of torch."""

import torch
from torch import nn

from colonnade.deploy.activations import ParametricSelu, RatioMish, with_activations
from colonnade.nn.blocks.parametric_activation import ParametricActivation

X = torch.cat([torch.linspace(-100, 100, 801), torch.randn(400)])[:, None] * torch.ones(3)


def test_selu_is_multiplied_out():
    part = ParametricActivation(3, activation="selu")
    with torch.no_grad():
        part.strength.copy_(torch.tensor([1.0, 0.3, -0.5]))
        model = nn.Sequential(part)
        (changed,) = with_activations(model)
        assert isinstance(changed, ParametricSelu)
        torch.testing.assert_close(changed(X), part(X), rtol=1e-6, atol=1e-6)
    assert model[0] is part


def test_mish_is_a_ratio():
    (part,) = with_activations(nn.Sequential(ParametricActivation(3, activation="mish")))
    assert isinstance(part, ParametricActivation)
    assert isinstance(part.function, RatioMish)
    torch.testing.assert_close(part(X), nn.functional.mish(X), rtol=1e-6, atol=1e-7)


def test_what_has_none_stays():
    model = nn.Sequential(nn.ReLU())
    assert with_activations(model) is model

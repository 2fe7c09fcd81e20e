import torch
import torch.nn.functional as F

from colonnade.nn.blocks.parametric_activation import ParametricActivation
from colonnade.nn.pace import Pace


def test_goes_from_the_activation_to_the_identity():
    layer, x = ParametricActivation(3, activation="selu"), torch.randn(5, 3)
    before = x.clone()
    torch.testing.assert_close(layer(x), F.selu(x))
    with torch.no_grad():
        layer.strength.copy_(torch.tensor([1.0, 0.0, 0.5]))
    expected = torch.stack([F.selu(x)[:, 0], x[:, 1], (x + F.selu(x))[:, 2] / 2], 1)
    torch.testing.assert_close(layer(x), expected)
    # Activations that work in place must not do so here.
    assert torch.equal(x, before)


def test_learns_slowly():
    assert ParametricActivation(3, activation="mish").paces() == {"strength": Pace(0.1, 0.1)}

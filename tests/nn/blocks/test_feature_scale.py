import pytest
import torch

from colonnade.nn.blocks.feature_scale import FeatureScale
from colonnade.nn.pace import Pace


def test_scales_each_dimension():
    layer = FeatureScale(3)
    x = torch.randn(2, 4, 3)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 0.0, -2.0]))
    assert torch.equal(layer(x), torch.stack([x[..., 0], 0 * x[..., 1], -2 * x[..., 2]], -1))


def test_learns_fast():
    assert FeatureScale(3).paces() == {"weight": Pace(6.0, 6.0)}
    with pytest.raises(ValueError, match="lr_factor=0.0 is out of range"):
        FeatureScale(3, lr_factor=0.0)

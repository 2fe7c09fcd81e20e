import pytest
import torch

from colonnade.nn.blocks.ntp import NTPLinear
from colonnade.nn.pace import Pace


def test_against_the_formula():
    layer = NTPLinear(4, 3)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(layer(x), x @ layer.weight / 2 + layer.bias, rtol=1e-5, atol=1e-6)


def test_outputs_begin_with_the_spread_of_the_inputs_whatever_the_width():
    torch.manual_seed(0)
    for width in (16, 1024):
        assert NTPLinear(width, 500)(torch.randn(40, width)).std().item() == pytest.approx(1, rel=0.1)


def test_paces():
    assert NTPLinear(2, 2).paces() == {"weight": Pace(1.0, 1.0), "bias": Pace(0.1, 0.0)}


def test_biases_begin_amidst_the_outputs_of_rows():
    torch.manual_seed(0)
    layer, x = NTPLinear(3, 2000), torch.randn(50, 3)
    layer.start(x)
    out = layer(x) - layer.bias
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(2000), rtol=1e-4, atol=1e-4)
    # A mean of five rows, weighted by exponentials: the squared weights add up to one third on average.
    centred = -layer.bias - out.mean(0)
    assert centred.mean().item() == pytest.approx(0, abs=0.05)
    assert centred.var().item() == pytest.approx(1 / 3, rel=0.1)

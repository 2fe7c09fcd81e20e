import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.blocks.activation import activation


@pytest.mark.parametrize("name", ["relu", "selu", "silu", "mish", "gelu"])
def test_is_the_function_of_that_name(name):
    x = torch.linspace(-3, 3, 13)
    torch.testing.assert_close(activation(name)(x.clone()), getattr(F, name)(x))


def test_unknown():
    with pytest.raises(ValueError, match=r"activation='rleu' is unknown: expected one of gelu, mish, relu, selu, silu"):
        activation("rleu")

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.head import Head


@pytest.mark.parametrize("out_shape", [(1,), (3,), (2, 3)])
@pytest.mark.parametrize("n_members", [1, 4])
def test_shape(out_shape, n_members):
    head = Head(d_in=5, n_members=n_members, out_shape=out_shape)
    assert head(torch.randn(7, n_members, 5)).shape == (7, n_members, *out_shape)


def test_members_have_layers_of_their_own():
    torch.manual_seed(0)
    out = Head(d_in=5, n_members=2, out_shape=(1,))(torch.randn(3, 1, 5).expand(3, 2, 5))
    assert not torch.allclose(out[:, 0], out[:, 1])


@pytest.mark.parametrize("out_shape", [(), (0,)])
def test_without_an_output_shape(out_shape):
    with pytest.raises(ConfigError, match=r"`task` must set spec.out_shape first"):
        Head(d_in=5, n_members=1, out_shape=out_shape)

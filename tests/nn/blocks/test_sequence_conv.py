import pytest
import torch
import torch.nn.functional as F
from torch import nn

from colonnade.nn.blocks.sequence_conv import SameConv, max_of_three, without_padding

MASK = torch.tensor([[True, True, True, False, False], [True] * 5])
X = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))

# Torch's own way of keeping the length, which says that it copies.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@pytest.mark.parametrize(("kernel", "more"), [(1, {}), (2, {}), (3, {}), (8, {}), (4, {"dilation": 3, "groups": 3})])
def test_it_is_torchs_convolution_with_the_same_length(kernel, more):
    conv = SameConv(3, 6, kernel, bias=True, **more)
    same = nn.Conv1d(3, 6, kernel, padding="same", **more)
    same.load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(X, None), same(X))
    torch.testing.assert_close(conv(X, MASK)[:1, :, :3], same(X[:1, :, :3]))


def test_padding_is_never_the_largest():
    low = X - 10
    torch.testing.assert_close(max_of_three(low, MASK)[:1, :, :3], F.max_pool1d(low[:1, :, :3], 3, 1, 1))
    assert max_of_three(low, None).equal(F.max_pool1d(low, 3, 1, 1))


def test_padding_is_filled():
    assert without_padding(X, MASK, 7.0)[0, :, 3:].eq(7).all()
    assert without_padding(X, MASK)[1].equal(X[1])
    assert without_padding(X, None) is X

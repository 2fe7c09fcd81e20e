import torch

from colonnade.nn.backbones.linear import Linear
from colonnade.nn.layout import Layout


def test_hands_the_row_on():
    backbone = Linear(layout=Layout(names=("a", "b"), widths=(1, 3), n_num=1))
    x = torch.randn(5, 4)
    hidden, penalty = backbone(x)
    assert torch.equal(hidden[:, 0], x)
    assert penalty is None
    assert backbone.d_out == 4
    assert not list(backbone.parameters())

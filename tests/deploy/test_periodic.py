"""Embeddings of all columns by two products, against one for each column."""

import torch
from torch import nn

from colonnade.deploy.periodic import JointPBLD, with_periodic
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.testing.backbones import toy_spec


def test_two_products_give_what_those_of_the_columns_give():
    torch.manual_seed(0)
    part = PBLDEmbedding(spec=toy_spec(n_num=4), d_embedding=3, n_frequencies=5, sigma=1.0)
    (joint,) = with_periodic(nn.Sequential(part))
    assert isinstance(joint, JointPBLD)
    x = torch.randn(6, 4)
    torch.testing.assert_close(joint(x), part(x))
    assert torch.equal(joint(x)[:, ::3], x)
    torch.testing.assert_close(joint(x.view(2, 3, 4)), part(x.view(2, 3, 4)))


def test_many_columns_stay():
    (same,) = with_periodic(nn.Sequential(PBLDEmbedding(spec=toy_spec(n_num=50))))
    assert isinstance(same, PBLDEmbedding)

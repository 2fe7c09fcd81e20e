"""Periodic embeddings of all columns at once, against one for each column."""

import pytest
import torch
from torch import nn

from colonnade.deploy.periodic import JointPBLD, JointPeriodic, with_periodic
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.periodic import PeriodicEmbedding
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


@pytest.mark.parametrize("activation", [True, False])
def test_cosines_and_sines_have_weights_of_their_own(activation: bool):
    torch.manual_seed(0)
    part = PeriodicEmbedding(spec=toy_spec(n_num=4), d_embedding=3, n_frequencies=5, sigma=8.0, activation=activation)
    (joint,) = with_periodic(nn.Sequential(part))
    assert isinstance(joint, JointPeriodic)
    x = torch.randn(6, 4)
    torch.testing.assert_close(joint(x), part(x))
    torch.testing.assert_close(joint(x.view(2, 3, 4)), part(x.view(2, 3, 4)))


def test_columns_that_share_their_weights_stay():
    (same,) = with_periodic(nn.Sequential(PeriodicEmbedding(spec=toy_spec(n_num=2), lite=True)))
    assert isinstance(same, PeriodicEmbedding)


def test_many_columns_stay():
    (same,) = with_periodic(nn.Sequential(PBLDEmbedding(spec=toy_spec(n_num=50))))
    assert isinstance(same, PBLDEmbedding)
    (same,) = with_periodic(nn.Sequential(PeriodicEmbedding(spec=toy_spec(n_num=50))))
    assert isinstance(same, PeriodicEmbedding)

import pytest
import rtdl_num_embeddings as published
import torch

from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.testing.backbones import toy_spec


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("lead", [(6,), (2, 3)])
def test_against_rtdl(activation, lead):
    theirs = (published.LinearReLUEmbeddings if activation else published.LinearEmbeddings)(4, 5)
    ours = LinearEmbedding(spec=toy_spec(n_num=4), d_embedding=5, activation=activation)
    ours.load_state_dict((theirs.linear if activation else theirs).state_dict())
    x = torch.randn(*lead, 4)
    torch.testing.assert_close(ours(x), theirs(x).flatten(-2), rtol=1e-5, atol=1e-6)
    assert ours.widths == (5,) * 4


def test_initialisation():
    embedding = LinearEmbedding(spec=toy_spec(n_num=50), d_embedding=16)
    for table in (embedding.weight, embedding.bias):
        assert 0.24 < table.abs().max() <= 0.25


def test_range():
    with pytest.raises(ValueError, match="d_embedding=0 is out of range: expected d_embedding > 0"):
        LinearEmbedding(spec=toy_spec(), d_embedding=0)

import pytest
import rtdl_revisiting_models as rtdl
import torch

from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.pace import Pace
from colonnade.testing.backbones import toy_spec


@pytest.mark.parametrize("bias", [False, True])
def test_against_rtdl(bias):
    theirs = rtdl.CategoricalEmbeddings([4, 3], 5, bias=bias)
    ours = CategoricalEmbedding(spec=toy_spec(cardinalities=(4, 3)), d_embedding=5, bias=bias, unknown_rate=0.0)
    with torch.no_grad():
        ours.table.copy_(torch.cat([e.weight for e in theirs.embeddings]))
        if bias:
            ours.bias.copy_(theirs.bias)
    codes = torch.stack([torch.randint(0, 4, (9,)), torch.randint(0, 3, (9,))], 1)
    torch.testing.assert_close(ours(codes), theirs(codes).flatten(-2))


def test_missing_and_unknown_begin_at_zero():
    embedding = CategoricalEmbedding(spec=toy_spec(cardinalities=(4, 3)), d_embedding=5)
    assert not embedding(torch.tensor([[0, 0], [1, 1]])).any()
    assert embedding.eval()(torch.tensor([[2, 2], [3, 2]])).all()


def test_the_unknown_vector_is_trained():
    torch.manual_seed(0)
    embedding = CategoricalEmbedding(spec=toy_spec(cardinalities=(4,)), d_embedding=5, unknown_rate=0.1)
    embedding(torch.full((200, 1), 3)).sum().backward()
    assert embedding.table.grad[1].all()
    assert not embedding.table.grad[0].any()


def test_begins_and_decays_as_in_realmlp():
    torch.manual_seed(0)
    embedding = CategoricalEmbedding(spec=toy_spec(cardinalities=(500,)), d_embedding=8, start="normal", decay=True)
    assert embedding.table[2:].std().item() == pytest.approx(1, rel=0.05)
    assert not embedding.table[:2].any()
    assert embedding.paces() == {"table": Pace(1.0, 1.0)}
    assert CategoricalEmbedding(spec=toy_spec()).paces() == {}


def test_ranges():
    with pytest.raises(ValueError, match="d_embedding=-1 is out of range"):
        CategoricalEmbedding(spec=toy_spec(), d_embedding=-1)
    with pytest.raises(ValueError, match="unknown_rate=-0.5 is out of range"):
        CategoricalEmbedding(spec=toy_spec(), unknown_rate=-0.5)
    with pytest.raises(ValueError, match="start='gauss' is unknown: expected one of normal, uniform"):
        CategoricalEmbedding(spec=toy_spec(), start="gauss")

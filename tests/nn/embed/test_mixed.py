import pytest
import torch

from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.testing.backbones import toy_spec


def test_few_levels_are_one_hot_and_many_are_embedded():
    # 10, 2 and 9 levels beside missing and unknown.
    spec = toy_spec(cardinalities=(12, 4, 11))
    embedding = MixedEmbedding(spec=spec, d_embedding=5).eval()
    assert embedding.names == ("cat1", "cat2", "cat0")
    assert embedding.widths == (3, 10, 5)
    codes = torch.tensor([[7, 3, 2], [11, 1, 0]])
    found = embedding(codes)
    assert torch.equal(found[:, :13], embedding.one_hot(codes[:, 1:]))
    assert torch.equal(found[:, 13:], embedding.learned(codes[:, :1]))


@pytest.mark.parametrize(("max_one_hot", "widths"), [(0, (5, 5)), (100, (3, 11))])
def test_all_of_one_kind(max_one_hot, widths):
    embedding = MixedEmbedding(spec=toy_spec(cardinalities=(4, 12)), max_one_hot=max_one_hot, d_embedding=5)
    assert embedding.widths == widths
    assert embedding.names == ("cat0", "cat1")
    assert embedding(torch.tensor([[3, 3], [2, 2]])).shape == (2, sum(widths))


def test_hands_on_how_embeddings_begin_and_decay():
    embedding = MixedEmbedding(spec=toy_spec(cardinalities=(4, 400)), start="normal", decay=True)
    assert embedding.learned.table.abs().max() > 2
    assert embedding.learned.decay


def test_ranges():
    with pytest.raises(ValueError, match="max_one_hot=-1 is out of range: expected max_one_hot >= 0"):
        MixedEmbedding(spec=toy_spec(), max_one_hot=-1)
    with pytest.raises(ValueError, match="unknown_rate=2.0 is out of range"):
        MixedEmbedding(spec=toy_spec(), unknown_rate=2.0)

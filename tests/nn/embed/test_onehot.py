import pytest
import torch

from colonnade.nn.embed.onehot import OneHot
from colonnade.testing.backbones import toy_spec


def test_every_code():
    embedding = OneHot(spec=toy_spec(cardinalities=(4, 3)))
    assert embedding.widths == (3, 2)
    found = embedding(torch.tensor([[0, 0], [1, 1], [2, 2], [3, 0]]))
    # missing, levels; unknown is all zeros.
    assert found.tolist() == [[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0]]


def test_leading_dimensions():
    embedding = OneHot(spec=toy_spec(cardinalities=(4, 3)))
    codes = torch.randint(0, 3, (2, 5, 2))
    assert torch.equal(embedding(codes)[1], embedding(codes[1]))


def test_a_column_without_levels_keeps_missing_alone():
    embedding = OneHot(spec=toy_spec(cardinalities=(2, 3)))
    assert embedding(torch.tensor([[0, 2], [1, 2]])).tolist() == [[1, 0, 1], [0, 0, 1]]


def test_levels_are_hidden_in_training_only():
    embedding = OneHot(spec=toy_spec(cardinalities=(3,)), unknown_rate=0.5)
    codes = torch.full((1000, 1), 2)
    assert 300 < (embedding(codes).sum(1) == 0).sum() < 700
    assert embedding.eval()(codes).sum() == 1000


def test_range():
    with pytest.raises(ValueError, match="unknown_rate=1.0 is out of range: expected 0 <= unknown_rate < 1"):
        OneHot(spec=toy_spec(), unknown_rate=1.0)


def test_the_exported_form_gives_the_same(monkeypatch):
    embedding = OneHot(spec=toy_spec(cardinalities=(4, 2, 3)))
    codes = torch.cartesian_prod(torch.arange(4), torch.arange(2), torch.arange(3))
    expected = embedding(codes)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.equal(embedding(codes), expected)


@pytest.mark.parametrize("small", [0, 2**17])
def test_what_is_exported_gives_the_same(small, monkeypatch):
    monkeypatch.setattr("colonnade.nn.embed.onehot._SMALL", small)
    embedding = OneHot(spec=toy_spec(cardinalities=(4, 3, 7)))
    codes = torch.cartesian_prod(torch.arange(4), torch.arange(3), torch.arange(7))
    expected = embedding(codes)
    monkeypatch.setattr("torch.compiler.is_exporting", lambda: True)
    assert torch.equal(embedding(codes), expected)

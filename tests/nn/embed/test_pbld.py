import math

import pytest
import torch

from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.pace import Pace
from colonnade.testing.backbones import toy_spec


def test_against_the_formula():
    embedding = PBLDEmbedding(spec=toy_spec(n_num=3), d_embedding=4, n_frequencies=5)
    x = torch.randn(2, 6, 3)
    found = embedding(x).unflatten(-1, (3, 4))
    assert torch.equal(found[..., 0], x)
    for i in range(3):
        wave = torch.cos(2 * math.pi * x[..., i, None] * embedding.frequency[i] + embedding.phase[i])
        expected = wave @ embedding.linear.weight[i] + embedding.linear.bias[i]
        torch.testing.assert_close(found[..., i, 1:], expected, rtol=1e-5, atol=1e-6)


def test_begins_as_published():
    torch.manual_seed(0)
    embedding = PBLDEmbedding(spec=toy_spec(n_num=100), n_frequencies=100, sigma=0.2)
    assert embedding.frequency.std().item() == pytest.approx(0.2, rel=0.05)
    assert embedding.phase.abs().max().item() == pytest.approx(math.pi, rel=0.01)
    assert embedding.linear.weight.abs().max().item() == pytest.approx(0.1, rel=0.01)


def test_all_of_it_learns_slowly():
    paces = PBLDEmbedding(spec=toy_spec()).paces()
    assert set(paces) == {"frequency", "phase", "linear.weight", "linear.bias"}
    assert set(paces.values()) == {Pace(0.1, 0.1)}


def test_faults():
    with pytest.raises(ValueError, match="d_embedding=1 is out of range: expected d_embedding >= 2"):
        PBLDEmbedding(spec=toy_spec(), d_embedding=1)
    with pytest.raises(ValueError, match="sigma=0.0 is out of range: expected sigma > 0"):
        PBLDEmbedding(spec=toy_spec(), sigma=0.0)

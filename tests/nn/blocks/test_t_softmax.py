import pytest
import torch

from colonnade.nn.blocks.t_softmax import t_of_sparsity, t_softmax


def test_only_what_comes_near_the_largest_counts():
    scores = torch.tensor([1.0, 0.8, 0.5, -2.0])
    found = t_softmax(scores, torch.tensor([0.4]))
    weight = torch.tensor([0.4, 0.2, 0.0, 0.0]) * scores.exp()
    torch.testing.assert_close(found, weight / weight.sum(), rtol=1e-5, atol=1e-6)


def test_with_a_large_t_it_is_the_softmax():
    scores = torch.randn(3, 6)
    torch.testing.assert_close(t_softmax(scores, torch.full((3, 1), 1e6)), scores.softmax(-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.6])
def test_t_leaves_out_a_share(sparsity):
    scores = torch.randn(4, 101)
    left_out = (t_softmax(scores, t_of_sparsity(scores, sparsity)) < 1e-7).float().mean(-1)
    assert left_out.tolist() == pytest.approx([sparsity] * 4, abs=0.011)

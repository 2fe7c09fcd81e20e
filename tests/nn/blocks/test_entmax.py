import pytest
import torch

from colonnade.nn.blocks.entmax import entmax15, entmoid15


def bisected(scores: torch.Tensor) -> torch.Tensor:
    """By its definition: the threshold at which the squares add up to one, halving an interval."""
    half = scores.double() / 2
    low, high = half.amax(-1, keepdim=True) - 1, half.amax(-1, keepdim=True)
    for _ in range(80):
        middle = (low + high) / 2
        above = (half - middle).clamp_min(0).square().sum(-1, keepdim=True) >= 1
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (half - low).clamp_min(0).square()


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 1e4])
def test_against_bisection(scale):
    scores = scale * torch.randn(50, 7)
    found = entmax15(scores)
    torch.testing.assert_close(found.double(), bisected(scores), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.sum(-1), torch.ones(50))


def test_ties_and_a_single_score():
    torch.testing.assert_close(entmax15(torch.zeros(1, 4)), torch.full((1, 4), 0.25))
    assert entmax15(torch.tensor([[3.0]])).item() == 1
    found = entmax15(torch.tensor([[5.0, 5.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5, 0.0]]))


def test_gradients_are_those_of_finite_differences():
    scores = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(entmax15, scores)
    x = torch.tensor([-5.0, -1.9, -0.3, 0.4, 1.9, 5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(entmoid15, x)


def test_entmoid_is_entmax_of_two():
    x = torch.linspace(-4, 4, 81)
    torch.testing.assert_close(
        entmoid15(x), entmax15(torch.stack([x, torch.zeros(81)], -1))[:, 0], rtol=1e-5, atol=1e-6
    )
    assert entmoid15(torch.tensor([-2.0, 0.0, 2.0])).tolist() == [0.0, 0.5, 1.0]

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.nn.blocks.sparsemax import sparsemax


def brute_force(scores):
    """Projection onto the simplex by trying every number of non-zero places."""
    best, best_distance = None, float("inf")
    falling = scores.sort(descending=True).values
    for n in range(1, len(scores) + 1):
        candidate = (scores - (falling[:n].sum() - 1) / n).clamp_min(0)
        distance = (candidate - scores).square().sum()
        if abs(candidate.sum() - 1) < 1e-9 and distance < best_distance:
            best, best_distance = candidate, distance
    return best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=9))
def test_against_brute_force(values):
    scores = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(sparsemax(scores), brute_force(scores), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.0, 0.0], [0.5, 0.5]), ([2.0, 0.0], [1.0, 0.0]), ([1.0, 0.5, -1.0], [0.75, 0.25, 0.0]), ([7.0], [1.0])],
)
def test_closed_forms(scores, expected):
    torch.testing.assert_close(sparsemax(torch.tensor(scores)), torch.tensor(expected))


def test_gradient():
    torch.manual_seed(0)
    scores = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sparsemax, scores)


def test_large_scores_keep_their_differences():
    torch.testing.assert_close(sparsemax(torch.tensor([1e6 + 0.5, 1e6, -1e9])), torch.tensor([0.75, 0.25, 0.0]))


def test_nan_stays_nan():
    assert sparsemax(torch.tensor([[float("nan"), 1.0], [0.0, 1.0]])).isnan().any(1).tolist() == [True, False]


def test_against_pytorch_tabnet():
    from pytorch_tabnet.sparsemax import sparsemax as published

    torch.manual_seed(0)
    scores = torch.randn(64, 20)
    torch.testing.assert_close(sparsemax(scores), published(scores.clone(), -1), rtol=1e-5, atol=1e-6)

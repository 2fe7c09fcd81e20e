import pytest
import torch

from colonnade.nn.blocks.pooling import AttentionPool, StepPool, last_step, mean_of_steps, reversed_steps, turned

MASK = torch.tensor([[True, True, False, False], [True] * 4])
X = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))


def test_mean_and_last_of_the_valid_steps():
    assert mean_of_steps(X, MASK).allclose(torch.stack([X[0, :2].mean(0), X[1].mean(0)]))
    assert last_step(X, MASK).equal(torch.stack([X[0, 1], X[1, 3]]))
    assert mean_of_steps(X, None).equal(X.mean(1))
    assert last_step(X, None).equal(X[:, -1])


def test_valid_steps_are_turned_round_and_back():
    index = reversed_steps(MASK)
    assert index.tolist() == [[1, 0, 2, 3], [3, 2, 1, 0]]
    assert index.gather(1, index).tolist() == [[0, 1, 2, 3]] * 2


def test_steps_are_turned_round():
    assert turned(X, MASK).equal(torch.stack([torch.cat([X[0, :2].flip(0), X[0, 2:]]), X[1].flip(0)]))
    assert turned(X, None).equal(X.flip(1))


def test_attention_weighs_the_valid_steps_by_a_softmax():
    pool = AttentionPool(3, d_score=5)
    score = torch.tanh(X @ pool.hidden.weight.T + pool.hidden.bias) @ pool.score.weight.T
    for i, n in enumerate((2, 4)):
        weight = score[i, :n].exp() / score[i, :n].exp().sum()
        torch.testing.assert_close(pool(X, MASK)[i], (weight * X[i, :n]).sum(0))
    torch.testing.assert_close(pool(X, None)[1], pool(X, MASK)[1])


def test_one_of_three():
    pool = StepPool(3, "attention")
    assert pool(X, MASK).equal(pool.attention(X, MASK))
    assert StepPool(3, "mean")(X, MASK).equal(mean_of_steps(X, MASK))
    assert StepPool(3, "last")(X, MASK).equal(last_step(X, MASK))
    with pytest.raises(ValueError, match="pooling='max' is unknown: expected one of attention, last, mean"):
        StepPool(3, "max")

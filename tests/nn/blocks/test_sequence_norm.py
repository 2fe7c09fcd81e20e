import torch
from torch import nn

from colonnade.nn.blocks.sequence_norm import SequenceBatchNorm

MASK = torch.tensor([[True, True, False, False], [True] * 4, [True, False, False, False]])
X = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1


def pair():
    ours, theirs = SequenceBatchNorm(5), nn.BatchNorm1d(5)
    with torch.no_grad():
        for part in (ours, theirs):
            part.weight.copy_(torch.arange(1.0, 6.0))
            part.bias.copy_(torch.arange(5.0))
    return ours, theirs


def test_statistics_are_those_of_torch_on_the_valid_steps_alone():
    ours, theirs = pair()
    found = ours(X, MASK).transpose(1, 2)[MASK]
    expected = theirs(X.transpose(1, 2)[MASK])
    torch.testing.assert_close(found, expected)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    torch.testing.assert_close(ours.eval()(X, MASK), theirs.eval()(X))


def test_without_a_mask_it_is_torchs_own():
    ours, theirs = pair()
    assert ours(X, None).equal(theirs(X))
    assert ours.running_var.equal(theirs.running_var)


def test_gradients_are_those_of_torch_on_the_valid_steps_alone():
    ours, theirs = pair()
    mine, other = X.clone().requires_grad_(), X.clone().requires_grad_()
    ours(mine, MASK).transpose(1, 2)[MASK].square().sum().backward()
    theirs(other.transpose(1, 2)[MASK]).square().sum().backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)

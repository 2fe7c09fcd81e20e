"""What is taken off each window, and put back."""

import torch

from colonnade.nn.blocks.reversible_norm import ReversibleNorm


def test_each_channel_of_each_window_by_itself():
    x = torch.randn(4, 3, 9) * 5 + 2
    normal, location, scale = ReversibleNorm()(x)
    torch.testing.assert_close(location, x.mean(-1, keepdim=True))
    torch.testing.assert_close(normal.mean(-1), torch.zeros(4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.var(-1, correction=0), torch.ones(4, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normal * scale + location, x)


def test_what_is_put_back_is_what_was_there_with_learned_scales_too():
    x = torch.randn(4, 3, 9)
    norm = ReversibleNorm(3)
    with torch.no_grad():
        norm.log_weight.copy_(torch.tensor([[2.0], [0.5], [3.0]]).log())
        norm.bias.copy_(torch.tensor([[1.0], [0.0], [-2.0]]))
        normal, location, scale = norm(x)
        plain = ReversibleNorm()(x)[0]
        torch.testing.assert_close(normal[:, 2], plain[:, 2] * 3 - 2)
        torch.testing.assert_close(normal * scale + location, x, rtol=1e-4, atol=1e-5)


def test_a_window_that_does_not_change_is_zero():
    # Whose mean in float32 is another number than the one that it is of.
    x = torch.full((1, 1, 95), 1.1)
    assert not x.mean(-1, keepdim=True).equal(x[..., :1])
    normal, location, scale = ReversibleNorm()(x)
    assert normal.equal(torch.zeros(1, 1, 95))
    assert location.equal(x[..., :1])
    torch.testing.assert_close(scale.item(), 1e-5**0.5)

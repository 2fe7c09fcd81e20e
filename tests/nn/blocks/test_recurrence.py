import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from colonnade.nn.blocks.recurrence import recurrence


def by_steps(a, b):
    h, states = torch.zeros_like(b[:, 0]), []
    for t in range(b.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1)


class Largest(TorchDispatchMode):
    """The elements of the largest tensor that is made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numel = max(self.numel, made.numel())
        return made


@pytest.mark.parametrize("n", [2, 7, 8, 65])
def test_it_is_the_loop_with_its_gradients(n):
    generator = torch.Generator().manual_seed(n)
    a = torch.rand(3, n, 4, generator=generator, dtype=torch.float64).requires_grad_()
    b = torch.randn(3, n, 4, generator=generator, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(recurrence(a, b), by_steps(a, b))
    weight = torch.randn(3, n, 4, generator=generator, dtype=torch.float64)
    found = torch.autograd.grad((recurrence(a, b) * weight).sum(), (a, b))
    torch.testing.assert_close(found, torch.autograd.grad((by_steps(a, b) * weight).sum(), (a, b)))


def test_one_step_is_what_is_added():
    assert recurrence(torch.rand(2, 1, 3), b := torch.randn(2, 1, 3)).equal(b)


def test_long_series_neither_overflow_nor_vanish():
    """A thousand steps of forgetting everything, and of nothing: logarithms of products would leave float32."""
    n = 1000
    nothing, everything = torch.full((1, n, 1), 1e-6), torch.ones(1, n, 1)
    b = torch.ones(1, n, 1)
    torch.testing.assert_close(recurrence(nothing, b)[0, -1, 0], torch.tensor(1 / (1 - 1e-6)))
    assert recurrence(everything, b)[0, :, 0].equal(torch.arange(1.0, n + 1))


def test_an_exported_graph_takes_any_length():
    class Scan(torch.nn.Module):
        def forward(self, a, b):
            return recurrence(a, b)

    a, b = torch.rand(2, 6, 3), torch.randn(2, 6, 3)
    length = torch.export.Dim("length", min=1)
    batch = torch.export.Dim("batch", min=1)
    shapes = {"a": {0: batch, 1: length}, "b": {0: batch, 1: length}}
    graph = torch.export.export(Scan(), (a, b), dynamic_shapes=shapes).module()
    for n, t in ((1, 3), (4, 50), (2, 1)):
        a, b = torch.rand(n, t, 3), torch.randn(n, t, 3)
        with Largest() as largest:
            found = graph(a, b)
        torch.testing.assert_close(found, by_steps(a, b))
        # However long series may be, it holds no more steps than there are.
        assert largest.numel == a.numel()

import inspect

import pytest
import torch

from colonnade.nn.blocks.dropout import Dropout, FlatCosDropout


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rate_and_mean(rate, dtype):
    torch.manual_seed(0)
    n = 400_000
    out = Dropout(rate)(torch.ones(n, dtype=dtype)).double()
    assert abs((out == 0).double().mean() - rate) < 5 * (rate * (1 - rate) / n) ** 0.5
    kept = out[out != 0].unique()
    assert len(kept) == 1
    assert kept[0] == pytest.approx(1 / (1 - rate), rel=1e-4 if dtype == torch.float32 else 5e-3)


def test_places_are_independent():
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(100_000)) == 0).double() - 0.5
    for lag in (1, 2, 3, 4, 5):
        assert abs((dropped[lag:] * dropped[:-lag]).mean()) < 0.005


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 5), (0, 4)])
def test_any_shape_and_the_gradient(shape):
    x = torch.randn(shape, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert out.shape == shape
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def test_seeded():
    layer, x = Dropout(0.5), torch.ones(100)
    torch.manual_seed(1)
    first = layer(x)
    assert not torch.equal(first, layer(x))
    torch.manual_seed(1)
    assert torch.equal(first, layer(x))


def test_nothing_happens_in_evaluation_or_at_zero():
    x = torch.randn(4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_range():
    with pytest.raises(ValueError, match="dropout=1.0 is out of range: expected 0 <= dropout < 1"):
        Dropout(1.0)


@pytest.mark.parametrize("compiled", [False, True])
def test_fades_in_the_second_half(compiled, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiled)
    torch.manual_seed(0)
    layer, x = FlatCosDropout(0.4), torch.ones(100_000)
    for progress, rate in ((0.0, 0.4), (0.49, 0.4), (0.75, 0.2), (1.0, 0.0)):
        layer.at(progress)
        out = layer(x)
        assert (out == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
        assert out.mean().item() == pytest.approx(1, abs=0.02)
    layer.at(0.0)
    assert layer.eval()(x) is x
    assert layer.state_dict() == {}


def test_compiled_code_is_one_graph_and_drops_the_same():
    # Without the checks of shapes that tests bring, which do not compile.
    forward, layer = inspect.unwrap(Dropout.forward), Dropout(0.3)

    def twice(x):
        return forward(layer, x), forward(layer, x)

    x, found = torch.randn(33, 7), []
    for function in (twice, torch.compile(twice, backend="aot_eager", fullgraph=True)):
        torch.manual_seed(5)
        mine = x.clone().requires_grad_()
        one, other = function(mine)
        (one * other).sum().backward()
        found.append((one.detach(), other.detach(), mine.grad))
    assert all(torch.equal(*pair) for pair in zip(*found))
    # Two draws are not made one.
    assert not torch.equal(found[1][0], found[1][1])

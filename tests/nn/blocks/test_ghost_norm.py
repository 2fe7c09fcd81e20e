import pytest
import torch

from colonnade.nn.blocks.ghost_norm import GhostBatchNorm


@pytest.mark.parametrize("n_rows", [4, 8, 32, 30, 33])
def test_against_pytorch_tabnet(n_rows):
    from pytorch_tabnet.tab_network import GBN

    torch.manual_seed(0)
    ours, published = GhostBatchNorm(5, virtual_batch=8, momentum=0.1), GBN(5, virtual_batch_size=8, momentum=0.1)
    with torch.no_grad():
        ours.weight.copy_(torch.randn(5))
        ours.bias.copy_(torch.randn(5))
    published.bn.load_state_dict({**ours.state_dict(), "num_batches_tracked": torch.tensor(0)})
    for _ in range(3):
        x = torch.randn(n_rows, 5) * 3 + 1
        torch.testing.assert_close(ours(x), published(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.running_mean, published.bn.running_mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.running_var, published.bn.running_var, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.eval()(x), published.eval()(x), rtol=1e-5, atol=1e-6)


def test_gradients_against_pytorch_tabnet():
    from pytorch_tabnet.tab_network import GBN

    x = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
    gradients = []
    for norm in (GhostBatchNorm(3, virtual_batch=8), GBN(3, virtual_batch_size=8)):
        rows = x.clone().requires_grad_()
        norm(rows).pow(3).sum().backward()
        gradients.append((rows.grad, *(p.grad for p in norm.parameters())))
    for ours, published in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, published, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_rows", [1, 5])
def test_a_single_row_is_normalised_with_running_statistics(n_rows):
    norm = GhostBatchNorm(2, virtual_batch=2)
    x = torch.randn(n_rows, 2)
    out = norm(x)
    assert out.isfinite().all()
    if n_rows == 1:
        torch.testing.assert_close(out, x, rtol=1e-4, atol=1e-4)


def test_ranges():
    with pytest.raises(ValueError, match=r"virtual_batch=0 is out of range: expected virtual_batch > 0"):
        GhostBatchNorm(2, virtual_batch=0)
    with pytest.raises(ValueError, match=r"momentum=1.5 is out of range: expected 0 <= momentum < 1"):
        GhostBatchNorm(2, momentum=1.5)

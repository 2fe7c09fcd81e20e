import torch

from colonnade.nn.blocks.distance import squared_distances


def test_against_cdist():
    a, b = torch.randn(5, 3) + 100, torch.randn(7, 3) + 100
    expected = torch.cdist(a.double(), b.double()).square().float()
    torch.testing.assert_close(squared_distances(a, b), expected, rtol=1e-4, atol=1e-4)
    assert (squared_distances(a, a).diagonal() >= 0).all()


def test_in_full_precision_under_autocast():
    a = torch.randn(5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert squared_distances(a.bfloat16(), a).dtype == torch.float32

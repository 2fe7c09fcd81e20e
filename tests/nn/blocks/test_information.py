import torch
from sklearn.metrics import mutual_info_score

from colonnade.core.batch import Batch
from colonnade.nn.blocks.information import mutual_information


def test_against_sklearn():
    """Its plug-in estimate, less the bias."""
    n = 400
    cat = torch.randint(0, 4, (n, 2))
    target = torch.where(torch.rand(n) < 0.7, cat[:, 0] % 3, torch.randint(0, 3, (n,)))
    num = target.unsqueeze(1) + torch.randn(n, 1)
    found = mutual_information(Batch(num=num, cat=cat, target=target), n_bins=4)
    bins = torch.searchsorted(num[:, 0].sort().values[[100, 200, 300]], num[:, 0])
    for mine, column, levels in zip(found, (bins, cat[:, 0], cat[:, 1]), (4, 4, 4), strict=True):
        expected = mutual_info_score(column, target) - (levels - 1) * 2 / (2 * n)
        torch.testing.assert_close(mine.item(), expected, rtol=0.02, atol=2e-3)


def test_noise_of_many_levels_tells_nothing():
    n = 2000
    rows = Batch(num=torch.zeros(n, 1), cat=torch.randint(0, 200, (n, 1)), target=torch.randn(n, 2))
    constant, noise = mutual_information(rows).tolist()
    assert abs(constant) < 1e-6
    assert abs(noise) < 0.2, "without the correction it would be about .75"

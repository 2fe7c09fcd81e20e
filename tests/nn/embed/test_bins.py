import pytest
import rtdl_num_embeddings as published
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.embed.bins import quantile_edges


def test_against_rtdl():
    torch.manual_seed(0)
    sample = torch.randn(300, 3)
    for ours, theirs in zip(quantile_edges(sample, "abc", 24), published.compute_bins(sample, 24), strict=True):
        assert torch.equal(ours, theirs)


def test_values_that_many_rows_share_leave_the_bins_to_the_others():
    torch.manual_seed(0)
    sample = torch.zeros(5000, 2)
    sample[:400, 0] = torch.randn(400).exp()
    sample[:, 1] = torch.randint(0, 30, (5000,))
    zeros, integers = quantile_edges(sample, "ab", 48)
    assert len(published.compute_bins(sample, 48)[0]) <= 6
    assert 45 <= len(zeros) <= 49
    # The edges above zero are quantiles of the values above zero.
    above = sample[:400, 0].sort().values
    share = torch.searchsorted(above, zeros[1:]) / 400
    assert torch.allclose(share, torch.linspace(0, 1, len(zeros))[1:], atol=0.05)
    assert integers.tolist() == list(range(30))


def test_two_values_and_one():
    sample = torch.tensor([[0.0, 3.0], [0.0, 3.0], [1.0, 3.0]])
    binary, constant = quantile_edges(sample, ["b", "c"], 2)
    assert binary.tolist() == [0, 1]
    assert constant.tolist() == [3]


def test_faults_name_the_columns():
    sample = torch.zeros(3, 3)
    sample[1, 0] = float("nan")
    sample[2, 2] = float("inf")
    with pytest.raises(
        ConfigError, match=r"NaN or infinite values in 'a', 'c': the steps of `pipeline` must fill them"
    ):
        quantile_edges(sample, ["a", "b", "c"], 4)
    with pytest.raises(ConfigError, match="model.numerical takes its bins from train rows, and there are none"):
        quantile_edges(torch.zeros(0, 2), ["a", "b"], 4)

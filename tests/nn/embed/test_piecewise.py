from dataclasses import replace

import pytest
import rtdl_num_embeddings as published
import torch

from colonnade.nn.embed.bins import quantile_edges
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding, PiecewiseLinearEncoding
from colonnade.testing.backbones import toy_spec

# One bin is what a 0/1 column gets; the published package warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*has just two bin edges:UserWarning")


def spec_of(*columns):
    sample = torch.stack(columns, 1)
    return replace(toy_spec(n_num=len(columns)), num_sample=sample)


def mixed_spec():
    torch.manual_seed(0)
    numbers = torch.randn(400)
    return spec_of(numbers, numbers.round(), (numbers > 0).float(), torch.rand(400))


def place(weight, n_bins):
    """Weights ``(F, n, d)`` of the published layout, spread over ``n_bins`` components."""
    wide = torch.zeros(weight.shape[0], n_bins, weight.shape[2])
    wide[:, : weight.shape[1] - 1] = weight[:, :-1]
    wide[:, -1] = weight[:, -1]
    return wide


@pytest.mark.parametrize("version", ["A", "B"])
@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("columns", [(0, 1, 2, 3), (1, 2), (2,), (0, 3)])
def test_against_rtdl(version, activation, columns):
    whole = mixed_spec()
    spec = spec_of(*(whole.num_sample[:, i] for i in columns))
    bins = quantile_edges(spec.num_sample, spec.num_names, 12)
    theirs = published.PiecewiseLinearEmbeddings(bins, 3, activation=activation, version=version)
    torch.nn.init.normal_(theirs.linear.weight)
    ours = PiecewiseLinearEmbedding(spec=spec, d_embedding=3, n_bins=12, version=version, activation=activation)
    with torch.no_grad():
        ours.linear.weight.copy_(place(theirs.linear.weight, 12))
        if version == "A":
            ours.linear.bias.copy_(theirs.linear.bias)
        else:
            ours.start_weight.copy_(theirs.linear0.weight)
            ours.start_bias.copy_(theirs.linear0.bias)
    # Beyond the edges too.
    x = torch.cat([spec.num_sample[:50], torch.randn(50, len(columns)) * 5])
    torch.testing.assert_close(ours(x), theirs(x).flatten(-2), rtol=1e-5, atol=1e-5)


def test_encoding_by_hand():
    spec = spec_of(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([2.0, 2.0, 2.0]))
    encoding = PiecewiseLinearEncoding(spec=spec, n_bins=2)
    found = encoding(torch.tensor([[-1.0, 0.0, 2.0], [0.5, 1.0, 9.0], [2.0, 2.0, 2.0], [5.0, -1.0, 2.0]]))
    # Edges 0, 1, 3: open at both ends.
    torch.testing.assert_close(found[:, 0], torch.tensor([[-1.0, 0.0], [0.5, 0.0], [1.0, 0.5], [1.0, 2.0]]))
    # A 0/1 column with edges 0, 1 after duplicates fall together (its median is 1).
    torch.testing.assert_close(found[:, 1], torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, -1.0]]))
    # Constant in the sample.
    assert not found[:, 2].any()


def test_version_b_begins_as_a_linear_embedding():
    embedding = PiecewiseLinearEmbedding(spec=mixed_spec(), d_embedding=2)
    x = torch.randn(5, 4)
    expected = (x[..., None] * embedding.start_weight + embedding.start_bias).flatten(1)
    torch.testing.assert_close(embedding(x), expected)


def test_without_a_sample_a_state_must_be_loaded():
    spec = mixed_spec()
    fitted = PiecewiseLinearEmbedding(spec=spec)
    bare = PiecewiseLinearEmbedding(spec=replace(spec, num_sample=None))
    x = torch.randn(5, 4)
    assert bare(x).isnan().all()
    bare.load_state_dict(fitted.state_dict())
    assert torch.equal(bare(x), fitted(x))


def test_ranges():
    with pytest.raises(ValueError, match="n_bins=1 is out of range: expected n_bins >= 2"):
        PiecewiseLinearEmbedding(spec=toy_spec(), n_bins=1)
    with pytest.raises(ValueError, match="version='C' is unknown: expected one of A, B"):
        PiecewiseLinearEmbedding(spec=toy_spec(), version="C")
    with pytest.raises(ValueError, match="d_embedding=0 is out of range"):
        PiecewiseLinearEmbedding(spec=toy_spec(), d_embedding=0)

"""Piecewise-linear embeddings as lines of bins, against the embeddings that they stand for."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from colonnade.deploy import bins
from colonnade.deploy.bins import BinnedEmbedding, with_bins
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.testing.backbones import toy_spec

from .test_ranks import looked_up


def embedding(sample, **options):
    """With weights that differ, over columns ``(S, F)``."""
    spec = replace(toy_spec(n_num=sample.shape[1]), num_sample=sample)
    torch.manual_seed(0)
    made = PiecewiseLinearEmbedding(spec=spec, d_embedding=3, n_bins=12, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


@pytest.mark.parametrize("version", ["A", "B"])
@pytest.mark.parametrize("activation", [False, True])
def test_lines_give_what_the_encoding_gives(version, activation, monkeypatch):
    torch.manual_seed(1)
    numbers = torch.randn(400)
    # Full bins, few bins, one bin, none.
    sample = torch.stack([numbers, numbers.round(), (numbers > 0).float(), torch.full((400,), 2.0)], 1)
    made = embedding(sample, version=version, activation=activation)
    monkeypatch.setattr(
        bins,
        "look_up",
        lambda place, rows, stride: torch.from_numpy(looked_up(knots[place], rows.numpy(), stride)).long(),
    )
    knots = []
    (lines,) = with_bins(nn.Sequential(made), knots)
    assert isinstance(lines, BinnedEmbedding)
    # Edges, between them, and beyond.
    x = torch.cat([sample[:100], torch.randn(200, 4) * 4])
    torch.testing.assert_close(lines(x), made(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(lines(x.view(30, 10, 4)), made(x).view(30, 10, -1), rtol=1e-5, atol=1e-5)


def test_bins_that_are_narrower_than_rounding_allows_stay():
    knots = []
    (same,) = with_bins(nn.Sequential(embedding(torch.tensor([[0.0], [1.0], [1.000001], [2.0]]))), knots)
    assert isinstance(same, PiecewiseLinearEmbedding)
    assert knots == []

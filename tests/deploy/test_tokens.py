"""Layers over tokens by products of matrices, against those of torch."""

import pytest
import torch
from torch import nn

from colonnade.deploy.tokens import RowsAttention, RowsLinear, RowsNorm, with_tokens
from colonnade.nn.blocks.attention import SelfAttention


def of(**options):
    torch.manual_seed(0)
    part = SelfAttention(8, n_heads=2, **options)
    with torch.no_grad():
        for values in part.parameters():
            values.add_(0.5 * torch.randn_like(values))
    return part.eval()


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("first_only", [True, False])
def test_attention(project, first_only):
    part = of(project=project)
    (rows,) = with_tokens(nn.Sequential(part))
    assert isinstance(rows, RowsAttention)
    assert isinstance(rows.out, RowsLinear if project else nn.Identity)
    x = torch.randn(5, 4, 8)
    with torch.no_grad():
        torch.testing.assert_close(rows(x, first_only=first_only), part(x, first_only=first_only))


@pytest.mark.parametrize("shape", [(4, 4), (5, 1, 1, 4)])
def test_who_may_be_asked(shape):
    part = of()
    (rows,) = with_tokens(nn.Sequential(part))
    mask = torch.rand(shape) < 0.5
    mask[..., 0] = True
    x = torch.randn(5, 4, 8)
    with torch.no_grad():
        torch.testing.assert_close(rows(x, mask=mask), part(x, mask=mask))


def test_linear_layers():
    part = nn.Linear(8, 3)
    model = nn.Sequential(part)
    (rows,) = with_tokens(model)
    assert isinstance(rows, RowsLinear)
    for shape in ((5, 8), (5, 4, 8), (5, 2, 4, 8)):
        x = torch.randn(shape)
        torch.testing.assert_close(rows(x), part(x))
    assert model[0] is part

    class Other(nn.Linear):
        """A layer that may do something else."""

    class Further(SelfAttention):
        """Attention that may be asked for more."""

    kept = with_tokens(nn.Sequential(Other(8, 3), Further(8, n_heads=2)))
    assert [type(part) for part in kept] == [Other, Further]


def test_norms():
    part = nn.LayerNorm(8)
    nn.init.normal_(part.weight)
    (rows,) = with_tokens(nn.Sequential(part))
    assert isinstance(rows, RowsNorm)
    for shape in ((5, 8), (5, 4, 8), (5, 2, 4, 8)):
        x = torch.randn(shape)
        torch.testing.assert_close(rows(x), part(x))

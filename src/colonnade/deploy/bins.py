"""Bins: piecewise-linear embeddings by a look-up of the bin of a number, not by what each bin has of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.deploy.ranks import look_up
from colonnade.deploy.replaced import replaced
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding

STEEPEST = 1e5
"""What an edge may be over the width of its bin, in which a number is off by so many of its own roundings."""


class BinnedEmbedding(nn.Module):
    """A :class:`~colonnade.nn.embed.piecewise.PiecewiseLinearEmbedding` as a line for each bin of each column.

    Args:
        embedding: whose bins are known.
        place: of its edges among those of a graph.
    """

    slope: Tensor
    offset: Tensor

    @torch.no_grad()
    def __init__(self, embedding: PiecewiseLinearEmbedding, place: int) -> None:
        super().__init__()
        self.place = place
        self.activation = embedding.activation
        self.start_weight, self.start_bias = embedding.start_weight, embedding.start_bias
        weight, bias = embedding.encoding.weight.double(), embedding.encoding.bias.double()
        self.edges, own = _edges(weight, bias)
        lines = embedding.linear.weight.double()
        lines = lines.gather(1, own.unsqueeze(-1).expand_as(lines))
        # In a bin, those below it are full, and those above it empty.
        slope = weight.gather(1, own).unsqueeze(-1) * lines
        offset = bias.gather(1, own).unsqueeze(-1) * lines + lines.cumsum(1) - lines
        if embedding.linear.bias is not None:
            offset += embedding.linear.bias.unsqueeze(1)
        if self.start_weight is not None and self.start_bias is not None and not self.activation:
            slope += self.start_weight.unsqueeze(1)
            offset += self.start_bias.unsqueeze(1)
        self.register_buffer("slope", slope.flatten(0, 1).float())
        self.register_buffer("offset", offset.flatten(0, 1).float())

    def forward(self, x: Tensor) -> Tensor:
        """``(*, F)`` to ``(*, F * d_embedding)``."""
        rows = x.flatten(0, -2)
        bins = look_up(self.place, rows.double(), stride=self.edges.shape[1])
        out = self.slope[bins] * rows.unsqueeze(-1) + self.offset[bins]
        if self.activation:
            out = torch.relu(out)
            if self.start_weight is not None and self.start_bias is not None:
                out = out + torch.addcmul(self.start_bias, self.start_weight, rows.unsqueeze(-1))
        out = out.flatten(-2)
        return out if x.dim() == 2 else out.unflatten(0, x.shape[:-1])


def with_bins(predictor: nn.Module, knots: list[np.ndarray]) -> nn.Module:
    """A predictor that looks bins up by trees, which only :func:`~colonnade.deploy.ranks.plant_ranks` puts in.

    Args:
        predictor: it stays as it is; without piecewise-linear embeddings in it, it is what is returned.
        knots: of the graph, see :func:`~colonnade.deploy.ranks.with_ranks`; those of the bins are added.
    """

    def binned(part: PiecewiseLinearEmbedding) -> nn.Module:
        if not part.encoding.bias.abs().max() <= STEEPEST:
            return part
        found = BinnedEmbedding(part, len(knots))
        knots.append(found.edges)
        return found

    return replaced(predictor, PiecewiseLinearEmbedding, binned)


def _edges(weight: Tensor, bias: Tensor) -> tuple[np.ndarray, Tensor]:
    """Where bins begin, and which component of the encoding each of them is.

    Args:
        weight, bias: ``(F, n_bins)``; components of weight 0 belong to no bin.

    Returns:
        Edges ``(F, n_bins)``, infinite behind the last bin of a column, and components ``(F, n_bins)`` int64.
    """
    used = weight > 0
    # Those that are used first, in their order; a column without any keeps one, which is zero.
    own = used.logical_not().to(torch.int8).argsort(dim=1, stable=True)
    edges = (-bias / weight).masked_fill(~used, torch.inf).gather(1, own)
    edges[:, 0] = torch.finfo(edges.dtype).min
    return edges.numpy(), own

"""NODE: layers of differentiable oblivious decision trees."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.nn.backbones.base import Backbone, DataAware
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.entmax import entmax15, entmoid15
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout

# Train rows that thresholds are chosen from, and how many of them pass at a time.
_ROWS = 1024
_PIECE = 128


class ObliviousTrees(nn.Module):
    """Trees in which all nodes of a level share one soft split: a choice of inputs, a threshold, a temperature.

    Args:
        d_in: width of a row.
        n_trees: trees.
        depth: levels of a tree; it has ``2 ** depth`` leaves.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d_in: int, n_trees: int, *, depth: int) -> None:
        super().__init__()
        positive(d_in=d_in, n_trees=n_trees, depth=depth)
        self.depth = depth
        self.choice = nn.Parameter(torch.rand(n_trees * depth, d_in))
        # NaN until :meth:`start` or a stored state.
        self.threshold = nn.Parameter(torch.full((n_trees * depth,), torch.nan))
        self.log_temperature = nn.Parameter(torch.full((n_trees * depth,), torch.nan))
        self.response = nn.Parameter(torch.randn(n_trees, 2**depth))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b t"]:
        """``(B, d_in)`` to the response of each tree, ``(B, n_trees)``."""
        # Rows last: what follows then runs along contiguous memory.
        chosen = entmax15(self.choice) @ x.T
        right = entmoid15((chosen - self.threshold[:, None]) * torch.exp(-self.log_temperature)[:, None])
        right = right.unflatten(0, (-1, self.depth))
        # Of the upper and of the lower half of the levels: the weights of all leaves would be some eight times as many.
        upper, lower = (_weights(part) for part in right.tensor_split([self.depth // 2], dim=1))
        response = self.response.unflatten(1, (upper.shape[1], -1))
        return (upper * torch.bmm(response, lower)).sum(1).T

    @torch.no_grad()
    def start(self, x: Float[Tensor, "b d"]) -> None:
        """Data-aware initialisation, which the reference makes with the first batch.

        The threshold of a split is what it chooses of a random row, and its temperature such that no row lies outside
        of the slope of the split.
        """
        chosen = x @ entmax15(self.choice).T
        row = torch.randint(len(x), (chosen.shape[1],))
        self.threshold.copy_(chosen[row, torch.arange(chosen.shape[1])])
        widest = (chosen - self.threshold).abs().amax(0)
        self.log_temperature.copy_(torch.log(widest + 1e-6))


def _weights(right: Float[Tensor, "t level b"]) -> Float[Tensor, "t leaf b"]:
    """How much of a row reaches each leaf of some levels: ``2 ** levels`` shares that sum to one, first level first.

    Args:
        right: share that goes right at each level, of each tree and row.
    """
    weights = right.new_ones((right.shape[0], 1, right.shape[2]))
    for level in range(right.shape[1]):
        share = right[:, level : level + 1].unsqueeze(2)
        weights = (weights.unsqueeze(2) * torch.cat([1 - share, share], 2)).flatten(1, 2)
    return weights


class NODE(Backbone, DataAware):
    """Layers of trees, each of which sees the row and the responses of the layers before it.

    Popov, Morozov and Babenko, *Neural Oblivious Decision Ensembles for Deep Learning on Tabular Data*, ICLR 2020. The
    reference averages several responses of a tree. Here a tree has one, all of them are the representation, and the
    head weighs them: the same functions.

    Args:
        layout: of the embedded row.
        n_layers: layers.
        n_trees: trees of a layer.
        depth: levels of a tree.
        dropout: dropout of what a layer sees.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self, *, layout: Layout, n_layers: int = 1, n_trees: int = 1024, depth: int = 6, dropout: float = 0.0
    ) -> None:
        super().__init__()
        positive(n_layers=n_layers, n_trees=n_trees, depth=depth)
        fraction(dropout=dropout)
        self.d_out = n_layers * n_trees
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            ObliviousTrees(layout.d_flat + i * n_trees, n_trees, depth=depth) for i in range(n_layers)
        )
        self.d_in = layout.d_flat

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 t"], None]:
        """``(B, d_flat)`` to ``(B, 1, n_layers * n_trees)``."""
        for layer in self.layers:
            x = torch.cat([x, layer(self.dropout(x))], dim=-1)
        return x[:, self.d_in :].unsqueeze(1), None

    def start(self, x: Float[Tensor, "n d"], rows: Batch) -> None:
        """Thresholds and temperatures of each layer from embedded train rows ``(N, d_flat)``."""
        x = x[:: math.ceil(len(x) / _ROWS)]
        for layer, before in zip(self.layers, (None, *self.layers)):
            if before is not None:
                x = torch.cat([x, torch.cat([before(piece) for piece in x.split(_PIECE)])], dim=-1)
            assert isinstance(layer, ObliviousTrees)
            layer.start(x)

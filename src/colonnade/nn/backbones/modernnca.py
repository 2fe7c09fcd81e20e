"""ModernNCA: the mean label of all train rows, weighted by their distance in a learned space."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.retrieval import RetrievalBackbone
from colonnade.nn.blocks.distance import squared_distances
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.context import Lookup
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout

# Added to shares before their logarithm, as in the reference.
_EPS = 1e-7
# Squared distances below lose their digits, and the root its derivative.
_NEAR = 1e-6


class ModernNCA(RetrievalBackbone):
    """Neighbourhood components analysis with a network, trained on a fresh part of the train rows in each step.

    Ye, Yin, Zhan and Chao, *Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline Two Decades Later*,
    ICLR 2025; Goldberger et al., *Neighbourhood Components Analysis*, NeurIPS 2004. The prediction is

    ``sum_i softmax(-|f(x) - f(x_i)| / temperature) y_i``

    and its representation is the raw output: values, logarithms of class shares, or log-odds; the head is
    :class:`~colonnade.nn.head.Given`.

    Args:
        layout: of the embedded row.
        labels: of the context.
        d_block: width of the learned space.
        n_blocks: blocks (batch norm, linear, ReLU, linear) after the linear layer, and a last batch norm.
        d_hidden: hidden width of a block.
        dropout: dropout within blocks.
        temperature: by which distances are divided.
        sample_rate: share of the context that is drawn in each training step; evaluation sees all of it.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        labels: Labels,
        d_block: int = 128,
        n_blocks: int = 0,
        d_hidden: int = 512,
        dropout: float = 0.1,
        temperature: float = 1.0,
        sample_rate: float = 0.5,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, d_hidden=d_hidden, temperature=temperature, sample_rate=sample_rate)
        fraction(dropout=dropout)
        if n_blocks < 0:
            raise ValueError(f"n_blocks={n_blocks} is out of range: expected n_blocks >= 0")
        if sample_rate > 1:
            raise ValueError(f"sample_rate={sample_rate} is out of range: expected sample_rate <= 1")
        self.kind = labels.kind
        self.d_out = labels.d
        self.temperature = temperature
        self.sample_rate = sample_rate
        # No bias: it moves all rows alike, so no distance depends on it.
        layers: list[nn.Module] = [nn.Linear(layout.d_flat, d_block, bias=False)]
        for _ in range(n_blocks):
            layers += [
                nn.BatchNorm1d(d_block),
                nn.Linear(d_block, d_hidden),
                nn.ReLU(inplace=True),
                Dropout(dropout),
                nn.Linear(d_hidden, d_block, bias=False),
            ]
        if n_blocks:
            layers.append(nn.BatchNorm1d(d_block))
        self.layers = nn.Sequential(*layers)

    def keys(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """``(N, d_flat)`` to places in the learned space, ``(N, d_block)``."""
        return self.layers(x)

    def forward(self, x: Float[Tensor, "b d"], lookup: Lookup) -> tuple[Float[Tensor, "b 1 l"], None]:  # type: ignore[override]
        """``(B, d_flat)`` to raw outputs ``(B, 1, labels.d)``."""
        index = self._drawn(lookup) if self.training else None
        distance = squared_distances(self.keys(x), lookup.keys(index)).clamp_min(_NEAR).sqrt()
        same = lookup.same(index)
        if same is not None:
            distance = distance.masked_fill(same, torch.inf)
        with torch.autocast(x.device.type, enabled=False):
            mean = torch.softmax(-distance / self.temperature, dim=-1) @ lookup.labels(index)
        # Weights may add up to a little more than one.
        if self.kind != "values":
            mean = mean.clamp(0, 1)
        if self.kind == "classes":
            mean = torch.log(mean + _EPS)
        elif self.kind == "shares":
            mean = torch.log(mean + _EPS) - torch.log(1 - mean + _EPS)
        return mean.unsqueeze(1), None

    def _drawn(self, lookup: Lookup) -> Tensor:
        """Positions of the part of the context that this step sees: two at least, one may be the row itself."""
        device = lookup.context.row_id.device
        return torch.randperm(len(lookup), device=device)[: max(2, int(len(lookup) * self.sample_rate))]

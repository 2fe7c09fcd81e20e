"""TabR: a feed-forward network with attention to the nearest train rows in the middle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from colonnade.nn.backbones.retrieval import RetrievalBackbone
from colonnade.nn.blocks.distance import squared_distances
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.checks import fraction, positive
from colonnade.nn.context import Lookup
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout


def block(d_block: int, d_hidden: int, *, hidden_dropout: float, residual_dropout: float, norm: bool) -> nn.Sequential:
    """Layer norm (or not), linear, ReLU, linear: what is added to the residual stream."""
    return nn.Sequential(
        nn.LayerNorm(d_block) if norm else nn.Identity(),
        nn.Linear(d_block, d_hidden),
        nn.ReLU(inplace=True),
        Dropout(hidden_dropout),
        nn.Linear(d_hidden, d_block),
        Dropout(residual_dropout),
    )


class TabR(RetrievalBackbone):
    """Encoder, retrieval, predictor.

    Gorishniy et al., *TabR: Tabular Deep Learning Meets Nearest Neighbors*, ICLR 2024. Of a row with the key ``k`` the
    ``n_neighbours`` context rows with the nearest keys ``k_i`` are taken; to the row is added

    ``sum_i softmax(-|k - k_i|^2) (label_encoder(y_i) + T(k - k_i))``.

    Labels and ``T`` enter by linear last layers, which are applied to the weighted sum instead of every neighbour, and
    the first layer of ``T`` to keys instead of differences: the same numbers for a fraction of the work.

    Args:
        layout: of the embedded row.
        labels: of the context.
        d_block: width of the residual stream and of keys.
        d_hidden_factor: hidden widths are ``int(d_block * d_hidden_factor)``.
        n_encoder_blocks: blocks before the retrieval; with 0 it is a linear layer.
        n_predictor_blocks: blocks after it.
        n_neighbours: context rows that a row looks at; of a smaller context all but one.
        context_dropout: dropout of their weights.
        hidden_dropout: dropout within blocks and ``T``.
        residual_dropout: dropout of what a block adds.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        labels: Labels,
        d_block: int = 265,
        d_hidden_factor: float = 2.0,
        n_encoder_blocks: int = 0,
        n_predictor_blocks: int = 1,
        n_neighbours: int = 96,
        context_dropout: float = 0.389,
        hidden_dropout: float = 0.389,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive(d_block=d_block, d_hidden_factor=d_hidden_factor, n_neighbours=n_neighbours)
        fraction(context_dropout=context_dropout, hidden_dropout=hidden_dropout, residual_dropout=residual_dropout)
        for name, value in (("n_encoder_blocks", n_encoder_blocks), ("n_predictor_blocks", n_predictor_blocks)):
            if value < 0:
                raise ValueError(f"{name}={value} is out of range: expected {name} >= 0")
        d_hidden = int(d_block * d_hidden_factor)
        positive(d_hidden=d_hidden)
        self.d_out = d_block
        self.n_neighbours = n_neighbours
        rates = {"hidden_dropout": hidden_dropout, "residual_dropout": residual_dropout}
        self.input = nn.Linear(layout.d_flat, d_block)
        self.encoder = nn.ModuleList(block(d_block, d_hidden, **rates, norm=i > 0) for i in range(n_encoder_blocks))
        self.key_norm = nn.LayerNorm(d_block) if n_encoder_blocks else nn.Identity()
        self.key = nn.Linear(d_block, d_block)
        self.label_encoder = nn.Linear(labels.d, d_block, bias=labels.kind != "classes")
        # As the reference: an embedding of classes from U(-1, 1), a linear layer of numbers within 2 ** -0.5.
        bound = 1.0 if labels.kind == "classes" else 0.5**0.5
        for parameter in self.label_encoder.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        self.shift_in = nn.Linear(d_block, d_hidden)
        self.shift_dropout = Dropout(hidden_dropout)
        self.shift_out = nn.Linear(d_hidden, d_block, bias=False)
        self.context_dropout = Dropout(context_dropout)
        self.predictor = nn.ModuleList(block(d_block, d_hidden, **rates, norm=True) for _ in range(n_predictor_blocks))
        self.norm = nn.LayerNorm(d_block)

    def keys(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """``(N, d_flat)`` to keys ``(N, d_block)``."""
        return self.key(self.key_norm(self._encode(x)))

    def forward(self, x: Float[Tensor, "b d"], lookup: Lookup) -> tuple[Float[Tensor, "b 1 h"], None]:  # type: ignore[override]
        """``(B, d_flat)`` to ``(B, 1, d_block)``."""
        x = self._encode(x)
        x = x + self._retrieve(self.key(self.key_norm(x)), lookup)
        for part in self.predictor:
            x = x + part(x)
        return torch.relu(self.norm(x)).unsqueeze(1), None

    def _encode(self, x: Tensor) -> Tensor:
        x = self.input(x)
        for part in self.encoder:
            x = x + part(x)
        return x

    def _retrieve(self, key: Float[Tensor, "b k"], lookup: Lookup) -> Float[Tensor, "b k"]:
        nearest = self._nearest(key, lookup)
        index: Tensor | None
        if torch.compiler.is_exporting():
            # What is made of all keys stands still there.
            index, place = None, nearest
        elif self.training:
            # Rows that are the neighbours of several are encoded once.
            index, place = nearest.unique(return_inverse=True)
        else:
            index = nearest.flatten()
            place = torch.arange(index.shape[0], device=index.device).view_as(nearest)
        theirs = lookup.keys(index)
        with torch.autocast(key.device.type, enabled=False):
            distance = (key.float().unsqueeze(1) - _at(theirs.float(), place)).square().sum(-1)
            share = self.context_dropout(torch.softmax(-distance, dim=-1)).unsqueeze(1)
        labels = torch.cat([_at(lookup.labels(index), place), torch.ones_like(share).transpose(1, 2)], -1)
        label, total = (share @ labels).squeeze(1).split([labels.shape[-1] - 1, 1], dim=-1)
        encoded = F.linear(label.to(self.label_encoder.weight.dtype), self.label_encoder.weight)
        if self.label_encoder.bias is not None:
            encoded = encoded + total * self.label_encoder.bias
        moved = self.shift_in(key).unsqueeze(1) - _at(F.linear(theirs, self.shift_in.weight), place)
        moved = self.shift_dropout(torch.relu(moved))
        return encoded + self.shift_out((share.to(moved.dtype) @ moved).squeeze(1))

    @torch.no_grad()
    def _nearest(self, key: Float[Tensor, "b k"], lookup: Lookup) -> Int[Tensor, "b m"]:
        """Positions of the nearest context rows, the row itself left out."""
        distance = squared_distances(key, lookup.keys(None))
        same = lookup.same()
        if same is not None:
            distance = distance.masked_fill(same, torch.inf)
        n = min(self.n_neighbours, len(lookup) - 1)
        return distance.topk(n, largest=False, sorted=False).indices


def _at(rows: Float[Tensor, "n d"], place: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
    """Rows at positions; as an embedding, whose backward pass is quicker than that of indexing."""
    return F.embedding(place, rows)

"""TabM: an ensemble of perceptrons that share nearly all weights."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.activation import activation as make_activation
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.blocks.ensemble import BatchEnsembleLinear, EnsembleLinear, MemberScale
from colonnade.nn.checks import fraction, one_of, positive
from colonnade.nn.layout import Layout


class TabM(Backbone):
    """``n_members`` perceptrons trained as one.

    Gorishniy, Kotelnikov and Babenko, *TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling*,
    ICLR 2025.

    Args:
        layout: of the embedded row.
        variant: ``"plain"``: scales before and after each shared weight, and a bias, for each member; ``"mini"``:
            one scale of the input for each member; ``"packed"``: members share nothing.
        n_members: members (k in the paper).
        d_block: width of the hidden layers.
        n_blocks: hidden layers. The paper: 3, and 2 when numbers are embedded.
        dropout: dropout after each activation.
        activation: see :func:`~colonnade.nn.blocks.activation.activation`.
        start: initialisation of the first scale, which tells the members apart from the beginning:
            ``"random-signs"``, ``"normal"``, or ``"auto"``: normal when numbers are embedded, else signs. All
            dimensions of a column begin with one value. The packed variant has no such scale.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        variant: str = "plain",
        n_members: int = 32,
        d_block: int = 512,
        n_blocks: int = 3,
        dropout: float = 0.1,
        activation: str = "relu",
        start: str = "auto",
    ) -> None:
        super().__init__()
        one_of(("plain", "mini", "packed"), variant=variant)
        one_of(("auto", "normal", "random-signs"), start=start)
        positive(n_members=n_members, d_block=d_block, n_blocks=n_blocks)
        fraction(dropout=dropout)
        if n_members == 1:
            raise ValueError("n_members=1 is out of range: expected n_members >= 2; for one member, use the mlp model")
        self.n_members = n_members
        self.d_out = d_block
        init = ("normal" if layout.embeds_numbers else "random-signs") if start == "auto" else start
        layers: list[nn.Module] = []
        if variant == "mini":
            layers.append(MemberScale(n_members, layout.d_flat, init=init, chunks=layout.widths))
        for i in range(n_blocks):
            d_in = d_block if i else layout.d_flat
            if variant == "mini":
                layers.append(nn.Linear(d_in, d_block))
            elif variant == "packed":
                layers.append(EnsembleLinear(n_members, d_in, d_block))
            elif i == 0:
                layers.append(BatchEnsembleLinear(n_members, d_in, d_block, init=init, chunks=layout.widths))
            else:
                layers.append(BatchEnsembleLinear(n_members, d_in, d_block))
            layers.append(make_activation(activation))
            layers.append(Dropout(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b k h"], None]:
        """``(B, d_flat)`` to ``(B, n_members, d_block)``."""
        # The first layer of each variant turns the one shared row into members.
        return self.layers(x.unsqueeze(1)), None

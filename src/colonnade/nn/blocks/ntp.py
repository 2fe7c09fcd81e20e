"""Linear layers in neural-tangent parametrisation, and how RealMLP begins them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import positive
from colonnade.nn.pace import Pace, Paced

# Rows whose outputs a bias begins amidst, as in the reference.
_N_SIMPLEX = 5


class NTPLinear(Paced):
    """``x @ weight / sqrt(d_in) + bias`` with weights of the order of one, whatever the width (Jacot et al., 2018).

    A step of Adam thus changes the outputs by as much in wide layers as in narrow ones. The bias learns at a tenth of
    the rate and is not decayed, as in RealMLP. :meth:`start` lets it begin from data.

    Args:
        d_in, d_out: widths.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        positive(d_in=d_in, d_out=d_out)
        self.factor = d_in**-0.5
        self.weight = nn.Parameter(torch.randn(d_in, d_out))
        self.bias = nn.Parameter(torch.zeros(d_out))

    def paces(self) -> dict[str, Pace]:
        """The bias learns slowly."""
        return {"weight": Pace(), "bias": Pace(lr=0.1, decay=0.0)}

    def forward(self, x: Float[Tensor, "*batch i"]) -> Float[Tensor, "*batch o"]:
        """``(*, d_in)`` to ``(*, d_out)``."""
        # Rows as they are, so that a graph has nothing between a layer and the next.
        rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
        out = torch.addmm(self.bias, rows, self.weight, alpha=self.factor)
        return out if x.dim() == 2 else out.reshape(*x.shape[:-1], out.shape[-1])

    @torch.no_grad()
    def start(self, x: Float[Tensor, "n i"]) -> None:
        """Begin with outputs of standard deviation one over the given rows, and kinks where rows are ("he+5").

        Each weight vector is divided by the deviation of its outputs; each bias is minus a random convex combination
        of the outputs of five rows.

        Args:
            x: what the layer will be given for ``n`` train rows.
        """
        out = self.factor * (x @ self.weight)
        spread = out.std(0, correction=0)
        # Of what is the same in all rows, only rounding is left.
        spread = torch.where(spread > 1e-6 * out.abs().amax(0), spread, 1.0)
        self.weight.div_(spread)
        out /= spread
        rows = torch.randint(len(x), (_N_SIMPLEX, out.shape[1]), device=x.device)
        share = torch.empty(rows.shape, device=x.device).exponential_()
        self.bias.copy_(-(out.gather(0, rows) * share / share.sum(0)).sum(0))

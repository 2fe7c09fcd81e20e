"""Layers that run the k members of an ensemble at once.

Gorishniy, Kotelnikov and Babenko, *TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling*, ICLR
2025; Wen, Tran and Ba, *BatchEnsemble*, ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import one_of, positive


def init_scale(n_members: int, d: int, *, how: str, chunks: Sequence[int] | None = None) -> nn.Parameter:
    """A scale for each member and dimension.

    Args:
        n_members: members of the ensemble.
        d: dimensions.
        how: ``"ones"``, ``"normal"`` (standard normal) or ``"random-signs"``.
        chunks: lengths of consecutive dimensions that begin with one common value, such as those of one column;
            None: each dimension begins with its own.

    Returns:
        Parameter ``(n_members, d)``.

    Raises:
        ValueError: for an unknown ``how``, or chunks that do not add up to ``d``.
    """
    one_of(("ones", "normal", "random-signs"), how=how)
    lengths = torch.ones(d, dtype=torch.int64) if chunks is None else torch.tensor(chunks, dtype=torch.int64)
    if int(lengths.sum()) != d:
        raise ValueError(f"chunks add up to {int(lengths.sum())}: expected d={d}")
    shape = (n_members, len(lengths))
    if how == "ones":
        value = torch.ones(shape)
    elif how == "normal":
        value = torch.randn(shape)
    else:
        value = torch.randint(0, 2, shape) * 2.0 - 1.0
    return nn.Parameter(value.repeat_interleave(lengths, dim=1))


class MemberScale(nn.Module):
    """Multiplies the input of each member by a vector of its own: all that tells the members of TabM-mini apart.

    Args:
        n_members, d: members and dimensions.
        init, chunks: see :func:`init_scale`.
    """

    def __init__(self, n_members: int, d: int, *, init: str, chunks: Sequence[int] | None = None) -> None:
        super().__init__()
        positive(n_members=n_members, d=d)
        self.weight = init_scale(n_members, d, how=init, chunks=chunks)

    def forward(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b k d"]:
        """``(B, k, d)``, or ``(B, 1, d)`` shared by the members, to ``(B, k, d)``."""
        return x * self.weight.to(x.dtype)


class BatchEnsembleLinear(nn.Module):
    """k linear layers that share one weight and differ by a scale before it, a scale after it, and a bias.

    The shared weight meets all ``B * k`` rows in one product.

    Args:
        n_members: members of the ensemble.
        d_in, d_out: widths.
        init: initialisation of the first scale; the second begins with ones.
        chunks: see :func:`init_scale`; of the first scale.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        n_members: int,
        d_in: int,
        d_out: int,
        *,
        init: str = "ones",
        chunks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        positive(n_members=n_members, d_in=d_in, d_out=d_out)
        bound = d_in**-0.5
        self.weight = nn.Parameter(torch.empty(d_out, d_in).uniform_(-bound, bound))
        self.r = init_scale(n_members, d_in, how=init, chunks=chunks)
        self.s = init_scale(n_members, d_out, how="ones")
        # One draw for all members, as in the reference: a shared bias with offsets that begin at zero.
        self.bias = nn.Parameter(torch.empty(d_out).uniform_(-bound, bound).repeat(n_members, 1))

    def forward(self, x: Float[Tensor, "b m i"]) -> Float[Tensor, "b k o"]:
        """``(B, k, d_in)``, or ``(B, 1, d_in)`` shared by the members, to ``(B, k, d_out)``."""
        out = F.linear(x * self.r.to(x.dtype), self.weight)
        # Under autocast the product is bfloat16; staying there halves the memory traffic that this layer is bound by.
        return torch.addcmul(self.bias.to(out.dtype), self.s.to(out.dtype), out)


class EnsembleLinear(nn.Module):
    """k separate linear layers.

    Args:
        n_members: members of the ensemble.
        d_in, d_out: widths.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int) -> None:
        super().__init__()
        positive(n_members=n_members, d_in=d_in, d_out=d_out)
        bound = d_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_members, d_in, d_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_members, d_out).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "b m i"]) -> Float[Tensor, "b k o"]:
        """``(B, k, d_in)``, or ``(B, 1, d_in)`` shared by the members, to ``(B, k, d_out)``.

        The result is a view whose members lie one after the other in memory: layers in sequence need no copies.
        """
        members = x.transpose(0, 1).expand(self.weight.shape[0], -1, -1)
        return torch.baddbmm(self.bias.unsqueeze(1), members, self.weight).transpose(0, 1)

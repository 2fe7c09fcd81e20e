"""Dropout whose mask costs little on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.checks import fraction
from colonnade.nn.progress import Progressive, flat_cos

_LEVELS = 2**16


def n_words(n: int) -> int:
    """64-bit words that decide ``n`` elements."""
    return (n + 3) // 4


def draw_words(out: Tensor) -> Tensor:
    """Fill an int64 tensor with random words, from torch's default generator."""
    return out.random_(-(2**63), None)


@torch.library.custom_op("colonnade::draw_kept", mutates_args=("out",), schema="(Tensor(a!) out, int threshold) -> ()")
def draw_kept(out: Tensor, threshold: int) -> None:
    """Fill a bool tensor with which elements are kept, from torch's default generator.

    One operator for compiled code: the compiler knows no ``random_`` and would stop at each dropout, and its loops over
    int16 are not vectorised. In place, because it makes one of two calls with the same arguments that give a result.
    """
    words = draw_words(torch.empty(n_words(out.numel()), dtype=torch.int64))
    torch.lt(words.view(torch.int16)[: out.numel()].view(out.shape), threshold, out=out)


@draw_kept.register_fake
def _(out: Tensor, threshold: int) -> None:
    pass


def mask_of(bits: Tensor, threshold: int | Tensor, scale: float | Tensor, dtype: torch.dtype) -> Tensor:
    """What elements are multiplied by.

    Args:
        bits: int16, of each element.
        threshold, scale: see :class:`Dropout`; tensors that broadcast, where they differ.
        dtype: of the mask.
    """
    mask = torch.lt(bits, threshold, out=torch.empty(bits.shape, dtype=dtype))
    return mask.mul_(scale)


class Dropout(nn.Module):
    """Zeroes each element with probability ``rate`` in training, and scales the others so that the mean stays.

    Torch draws a Bernoulli number for each element on a CPU: a quarter of a TabM training step. Here a random
    64-bit word decides four elements, 16 bits each: five times faster, and in compiled code more than that: there
    torch's own was half of a TabM step in bfloat16. Elsewhere torch's own is used. ``rate`` is rounded to a multiple of
    ``2 ** -16``; the scale belongs to the rounded rate.

    Args:
        rate: probability of a zero.

    Raises:
        ValueError: for a rate outside ``[0, 1)``.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        fraction(dropout=rate)
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Zero elements with another probability from now on."""
        self.rate = rate
        self.n_kept = min(max(round((1 - rate) * _LEVELS), 1), _LEVELS - 1)

    @property
    def threshold(self) -> int:
        """Elements whose 16 bits are below it are kept."""
        return self.n_kept - _LEVELS // 2

    @property
    def scale(self) -> float:
        """Of what is kept."""
        return _LEVELS / self.n_kept

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """``x`` with elements dropped; ``x`` itself in evaluation, or at rate zero."""
        if not self.training or self.rate == 0:
            return x
        if not x.is_cpu:
            return F.dropout(x, self.rate)
        if torch.compiler.is_compiling():
            # The same numbers.
            kept = torch.empty(x.shape, dtype=torch.bool)
            draw_kept(kept, self.threshold)
            return torch.where(kept, x * self.scale, 0.0)
        words = draw_words(torch.empty(n_words(x.numel()), dtype=torch.int64))
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        return x * mask_of(bits, self.threshold, self.scale, x.dtype)


class FlatCosDropout(Dropout, Progressive):
    """Dropout that fades: at its full rate for half of the training, then along a cosine to none.

    Holzmüller, Grinsztajn and Steinwart, *Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data*,
    NeurIPS 2024.

    Args:
        rate: probability of a zero in the first half.

    Raises:
        ValueError: for a rate outside ``[0, 1)``.
    """

    present: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.full = rate
        # Compiled code and other devices read the rate here: a number in Python would be compiled in, or waited for.
        self.register_buffer("present", torch.tensor(rate), persistent=False)

    def at(self, progress: float) -> None:
        """Take the rate of this part of the training."""
        self.set_rate(self.full * flat_cos(progress))
        self.present.fill_(self.rate)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """``x`` with elements dropped; ``x`` itself in evaluation."""
        if not self.training or self.full == 0:
            return x
        if x.is_cpu and not torch.compiler.is_compiling():
            return super().forward(x)
        return x * (torch.rand_like(x) >= self.present) / (1 - self.present)

"""A linear recurrence over steps, all of them at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LONGEST_EXPORTED = 2**14
"""Steps up to which an exported program is exact: it cannot ask how many there are."""


def recurrence(a: Float[Tensor, "b t d"], b: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
    """``h[t] = a[t] h[t - 1] + b[t]``, from ``h = 0`` on, by doubling.

    Hillis and Steele, *Data Parallel Algorithms*, Communications of the ACM 1986: after ``k`` rounds each step holds
    what ``2 ** k`` steps give together, so that a logarithm of the steps is enough. Products of factors in ``[0, 1]``
    may vanish but never grow: no logarithms of states are needed.

    Args:
        a: factors.
        b: what is added.
    """
    reach = 1
    while reach < (LONGEST_EXPORTED if torch.compiler.is_exporting() else a.shape[1]):
        b = b + a * _earlier(b, reach, 0.0)
        a = a * _earlier(a, reach, 1.0)
        reach *= 2
    return b


def _earlier(x: Tensor, steps: int, before: float) -> Tensor:
    """What stood some steps earlier; ``before`` where there is nothing."""
    if torch.compiler.is_exporting():
        # Padded with more steps than there are, a program would hold thousands of them for each series.
        place = torch.arange(x.shape[1], device=x.device) - steps
        return torch.where((place >= 0).unsqueeze(-1), x.index_select(1, place.clamp(min=0)), before)
    return F.pad(x, (0, 0, steps, 0), value=before)[:, : x.shape[1]]

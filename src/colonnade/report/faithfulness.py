"""What a deletion curve says, in words."""

from __future__ import annotations

import math

from colonnade.explain.deletion import Deletion


def faithfulness(found: Deletion) -> str:
    """The area below the curve as a multiple of that of random orders, where these are a measure."""
    if not math.isnan(found.ratio):
        return f"{found.ratio:.2f} times random order (95 %: {found.low:.2f} to {found.high:.2f})"
    ordered, shuffled = found.areas
    if not ordered and not shuffled:
        return "0: the score does not move"
    return f"{ordered:.3g} by contribution, {shuffled:.3g} in random order, of which there is no multiple"

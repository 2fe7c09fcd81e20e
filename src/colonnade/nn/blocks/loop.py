"""Loop: steps of which each begins where the one before it ended, as a loop in what is exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def loop(step: Callable[..., Any], before: Any, given: Any, *, reverse: bool = False) -> tuple[Any, Any]:
    """What is carried behind the last step, and what each step gives, stacked.

    A Python loop would be unrolled by an export, and with that the number of its steps fixed.

    Args:
        step: what is carried and a slice of ``given``, to what is carried next, of equal strides, and what the step
            gives, in memory of its own.
        before: what is carried into the first step: a tensor or a tuple of them, in memory of their own.
        given: a tensor or a tuple of them, the steps in their first dimension.
        reverse: whether the last step comes first.
    """
    # Not public yet; its operator is. Imported here, as torch's compiler comes with it.
    from torch._higher_order_ops.scan import scan

    carried, found = scan(step, before, given, reverse=reverse)
    return carried, found

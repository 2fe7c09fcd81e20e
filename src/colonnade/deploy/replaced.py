"""Replaced: a model in which parts that torch cannot export stand as parts that it can."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def replaced(module: M, kind: type[nn.Module], make: Callable[[Any], nn.Module]) -> M:
    """The module, or, where it has parts of a kind, a copy in which each of them is what ``make`` makes of it.

    Args:
        module: it stays as it is.
        kind: of parts.
        make: takes a part of the copy.
    """
    if not any(isinstance(part, kind) for part in module.modules()):
        return module
    copied = deepcopy(module)
    for parent in list(copied.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, kind):
                setattr(parent, name, make(part))
    return copied

"""Networks: their layers as a graph computes them, in few passes and for any number of steps."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from colonnade.deploy.folded import with_folded
from colonnade.deploy.recurrence import with_operators
from colonnade.deploy.steps_first import with_steps_first
from colonnade.deploy.tokens import with_tokens

M = TypeVar("M", bound=nn.Module)


def for_export(module: M) -> M:
    """The module, or, where it has layers that a graph has in another way, a copy in which they are so.

    Raises:
        ExportError: recurrent layers are of several, see :func:`~colonnade.deploy.recurrence.check_single`.
    """
    return with_tokens(with_folded(with_steps_first(with_operators(module))))

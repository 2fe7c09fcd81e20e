"""The contract of an embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Embedding(nn.Module, ABC):
    """Encoded columns in, a segment per column out, side by side.

    A concrete embedding takes ``spec`` (:class:`~colonnade.core.spec.BatchSpec`) and its own keyword-only arguments.
    Leading dimensions are free, so tables and sequences share it.

    Attributes:
        names: columns in the order of their segments.
        widths: width of each segment.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """``(*, columns)`` to ``(*, sum(widths))``."""

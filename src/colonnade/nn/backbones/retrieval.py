"""The contract of a backbone that looks at train rows."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.context import Lookup


class RetrievalBackbone(Backbone):
    """A backbone that belongs into a :class:`~colonnade.nn.retrieval.RetrievalNetwork`.

    A concrete one takes ``labels`` (:class:`~colonnade.nn.labels.Labels`) beside ``layout``. In evaluation a row's
    representation depends on that row and on the context alone.
    """

    @abstractmethod
    def keys(self, x: Tensor) -> Tensor:
        """What is kept of embedded context rows ``(N, d_flat)`` (or tokens): ``(N, ...)``."""

    @abstractmethod
    def forward(self, x: Tensor, lookup: Lookup) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        """Represent rows, see :class:`Backbone`, given the context."""

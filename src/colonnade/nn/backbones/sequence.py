"""The contract of a backbone that takes sequences."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from colonnade.nn.backbones.base import Backbone


class SequenceBackbone(Backbone):
    """A backbone that belongs into a :class:`~colonnade.nn.sequence.SequenceNetwork`.

    What it makes of a sequence depends on its valid steps alone: a longer padding changes nothing.
    """

    accepts: ClassVar[Literal["flat", "tokens", "steps"]] = "steps"

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Represent sequences.

        Args:
            x: embedded steps ``(B, T, layout.d_flat)``, zero in the padding.
            mask: valid steps ``(B, T)`` bool, true up to the length of each sequence, which is one at least; None: all.

        Returns:
            ``(B, n_members, d_out)``, and a scalar to add to the training loss or None.
        """

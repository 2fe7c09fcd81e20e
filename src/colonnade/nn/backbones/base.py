"""The contract of a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from colonnade.core.batch import Batch


class Backbone(nn.Module, ABC):
    """Embedded columns in, a representation of each member out.

    A concrete backbone takes ``layout`` (:class:`~colonnade.nn.layout.Layout`) and its own keyword-only arguments,
    and sets ``d_out``; an ensemble sets ``n_members`` too.

    Attributes:
        accepts: ``"flat"`` for rows ``(B, layout.d_flat)``, ``"tokens"`` for ``(B, layout.n_columns, d_token)``,
            ``"steps"`` for sequences ``(B, T, layout.d_flat)``, see :class:`~colonnade.nn.backbones.sequence`.
        d_out: width of the representation.
        n_members: members of the ensemble; 1 for a single model.
    """

    accepts: ClassVar[Literal["flat", "tokens", "steps"]] = "flat"
    d_out: int
    n_members: int = 1

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Represent rows.

        Args:
            x: ``(B, d_flat)`` or ``(B, n_columns, d_token)``, as ``accepts`` says.

        Returns:
            ``(B, n_members, d_out)``, and a scalar to add to the training loss or None.
        """


class DataAware(ABC):
    """A backbone or head whose initialisation looks at data.

    A network that is rebuilt without train rows gets what was initialised from a stored state.
    """

    @abstractmethod
    def start(self, x: Tensor, rows: Batch) -> None:
        """Initialise; called once, without gradients and in evaluation mode, when the network is built beside data.

        Args:
            x: some train rows, as ``forward`` takes them; those with the extreme targets are among them.
            rows: the same rows, encoded, with targets.
        """

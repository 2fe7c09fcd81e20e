"""SequenceNetwork: a network whose rows are sequences."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from colonnade.core.output import Output
from colonnade.nn.backbones.sequence import SequenceBackbone
from colonnade.nn.network import Network


class SequenceNetwork(Network):
    """A :class:`~colonnade.nn.network.Network` over steps: each is embedded as a row of a table is, then the backbone
    sees all of them, and which are valid.

    ::

        num (B, T, F) -> numerical   --+
                                       +-> backbone (with mask) -> head -> raw (B, members, *out_shape)
        cat (B, T, K) -> categorical --+

    What stands in the padding does not matter: it is zero before the backbone sees it.

    Args:
        spec, backbone, numerical, categorical, head: see :class:`~colonnade.nn.network.Network`; the backbone is a
            :class:`~colonnade.nn.backbones.sequence.SequenceBackbone`.

    Raises:
        ConfigError: see there.
    """

    sequential: ClassVar[bool] = True
    backbone: SequenceBackbone

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Output:
        """See the base class; ``embedded`` is ``(B, T, d_flat)``."""
        if mask is not None:
            embedded = embedded.masked_fill(~mask.unsqueeze(-1), 0.0)
        hidden, penalty = self.backbone(embedded, mask)
        return Output(raw=self.head(hidden), penalty=penalty)

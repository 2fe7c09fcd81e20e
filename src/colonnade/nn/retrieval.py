"""RetrievalNetwork: a network whose prediction of a row looks at train rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.output import Output
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.retrieval import RetrievalBackbone
from colonnade.nn.context import Context, Lookup
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.head import Head
from colonnade.nn.network import Network

# Rows of a forward pass in evaluation: each meets the whole context.
BLOCK = 1024


class RetrievalNetwork(Network):
    """A :class:`~colonnade.nn.network.Network` that holds a :class:`~colonnade.nn.context.Context`.

    ::

        num, cat (B) -> embed --------------+
                                            +-> backbone -> head -> raw (B, members, *out_shape)
        context (N)  -> embed -> keys ------+
                        labels, ids --------+

    In training a row is not shown itself: what carries its id is left out. In evaluation nothing is left out, and the
    keys of the context are computed once for weights that stand still.

    Args:
        spec: of the data, with ``out_shape`` set from the task.
        backbone: a :class:`RetrievalBackbone`, called with ``layout`` and ``labels``.
        numerical, categorical, head: see :class:`~colonnade.nn.network.Network`.
        max_context: train rows that are kept at most, see :class:`~colonnade.nn.context.Context`.

    Raises:
        ValueError, ConfigError: see :class:`~colonnade.nn.network.Network` and :class:`~colonnade.nn.context.Context`.
    """

    backbone: RetrievalBackbone

    def __init__(
        self,
        *,
        spec: BatchSpec,
        backbone: Callable[..., RetrievalBackbone],
        numerical: Callable[..., Embedding] = Identity,
        categorical: Callable[..., Embedding] = OneHot,
        head: Callable[..., nn.Module] = Head,
        max_context: int = 50_000,
    ) -> None:
        context = Context(spec=spec, max_rows=max_context)
        super().__init__(
            spec=spec,
            backbone=partial(backbone, labels=context.labels),
            numerical=numerical,
            categorical=categorical,
            head=head,
        )
        self.context = context
        self._kept: Tensor | None = None
        self.register_load_state_dict_post_hook(lambda module, _: module._forget())

    def forward(self, batch: Batch) -> Output:
        """Raw outputs of a batch, see :meth:`Network.forward`; ``row_id`` tells which rows are their own context."""
        if not (self.training or torch.compiler.is_compiling()) and len(batch) > BLOCK:
            return Output(raw=torch.cat([self(piece).raw for piece in batch.split(BLOCK)]))
        return self._represent(self.embed(batch), batch.row_id if self.training else None)

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Output:
        """What :meth:`forward` does after :meth:`embed`, in evaluation; ``embedded`` is ``(B, d_flat)``."""
        return self._represent(embedded, None)

    def train(self, mode: bool = True) -> RetrievalNetwork:
        """Switch to training or evaluation, and forget the keys: the weights may have moved."""
        self._forget()
        return super().train(mode)

    def _represent(self, embedded: Tensor, own: Tensor | None) -> Output:
        lookup = Lookup(context=self.context, keys=self._keys, own=own)
        hidden, penalty = self.backbone(self._shaped(embedded), lookup)
        return Output(raw=self.head(hidden), penalty=penalty)

    def _keys(self, index: Tensor | None = None) -> Tensor:
        """Keys of context rows; those of all are kept where no gradient is asked for."""
        # An export takes them as they are, where the network has been run before.
        written = torch.compiler.is_exporting() and self._kept is not None
        if self.training or torch.is_grad_enabled() or (torch.compiler.is_compiling() and not written):
            return self.backbone.keys(self._shaped(self.embed(self.context.rows(index))))
        if self._kept is None:
            rows = self.context.rows().split(BLOCK)
            self._kept = torch.cat([self.backbone.keys(self._shaped(self.embed(piece))) for piece in rows])
        return self._kept if index is None else self._kept.index_select(0, index)

    def _forget(self) -> None:
        self._kept = None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> RetrievalNetwork:
        # Moved to another device or type.
        self._forget()
        return super()._apply(fn, recurse)

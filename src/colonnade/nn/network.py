"""Network: embed, backbone, head. It knows the data only through the BatchSpec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.output import Output
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.base import Backbone, DataAware
from colonnade.nn.backbones.forecast import SeesAhead
from colonnade.nn.embed.base import Embedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.onehot import OneHot
from colonnade.nn.head import Head
from colonnade.nn.layout import Layout

# Train rows that data-aware parts begin from.
START_ROWS = 20_000


class Network(nn.Module):
    """Joins an embedding of numbers, one of categories, a backbone and a head.

    The parts are bound late, so that nothing about the data is typed twice: in YAML they are ``_partial_: true``
        nodes.

    ::

        num (B, F) -> numerical   --+
                                    +-> backbone -> head -> raw (B, members, *out_shape)
        cat (B, K) -> categorical --+

    Args:
        spec: of the data, with ``out_shape`` set from the task.
        backbone: called with ``layout``.
        numerical: called with ``spec`` when there are numeric columns.
        categorical: called with ``spec`` when there are categorical columns.
        head: called with ``d_in``, ``n_members`` and ``out_shape``.

    Attributes:
        layout: the columns of an embedded row and their widths.

    Raises:
        ConfigError: if there are no features, or the parts do not fit each other or the data; the message names
            their YAML keys.
    """

    sequential: ClassVar[bool] = False
    """Whether its batches are sequences."""

    def __init__(
        self,
        *,
        spec: BatchSpec,
        backbone: Callable[..., Backbone],
        numerical: Callable[..., Embedding] = Identity,
        categorical: Callable[..., Embedding] = OneHot,
        head: Callable[..., nn.Module] = Head,
    ) -> None:
        super().__init__()
        if spec.n_num + spec.n_cat == 0:
            raise ConfigError(
                "there are no features to learn from: see data.exclude and the columns that `pipeline` dropped"
            )
        self._check_rank(spec)
        self.numerical = numerical(spec=spec) if spec.n_num else None
        self.categorical = categorical(spec=spec) if spec.n_cat else None
        parts = [part for part in (self.numerical, self.categorical) if part is not None]
        self.layout = Layout(
            names=tuple(name for part in parts for name in part.names),
            widths=tuple(width for part in parts for width in part.widths),
            n_num=spec.n_num,
        )
        self.backbone = backbone(layout=self.layout)
        if (self.backbone.accepts == "steps") != self.sequential:
            given = "sequences" if self.sequential else "rows"
            raise ConfigError(f"model.backbone: {type(self.backbone).__name__} takes no {given}, see model._target_")
        if spec.known and not isinstance(self.backbone, SeesAhead):
            raise ConfigError(
                f"model.backbone: {type(self.backbone).__name__} does not look at what is known of the steps ahead: "
                "choose a model that does, such as model=tide, or data.future=null"
            )
        self.head = head(d_in=self.backbone.d_out, n_members=self.backbone.n_members, out_shape=spec.out_shape)
        if spec.train_rows is not None and any(isinstance(part, DataAware) for part in (self.backbone, self.head)):
            self._start(spec.train_rows)

    @classmethod
    def _check_rank(cls, spec: BatchSpec) -> None:
        """Refuse sequences where rows are expected, and rows where sequences are."""
        if spec.n_steps is not None and not cls.sequential:
            raise ConfigError(
                "`data` gives sequences, but model.backbone takes the rows of a table: choose a model for sequences, "
                "such as model=gru, or data without steps"
            )
        if spec.n_steps is None and cls.sequential:
            raise ConfigError(
                "`data` gives the rows of a table, but model.backbone takes sequences: choose data of sequences, such "
                "as data=sequences for your own, or a model for tables, such as model=mlp"
            )

    def forward(self, batch: Batch) -> Output:
        """Raw outputs ``(B, members, *out_shape)`` of a batch, and the backbone's penalty."""
        return self.forward_embedded(self.embed(batch), batch.mask)

    def embed(self, batch: Batch) -> Tensor:
        """Embedded rows ``(B, [T,] d_flat)``: the segments of ``layout``, at which columns can be attributed."""
        if self.categorical is None:
            embedded: Tensor = self.numerical(batch.num)  # type: ignore[misc]
            return embedded
        if self.numerical is None:
            only: Tensor = self.categorical(batch.cat)
            return only
        return torch.cat([self.numerical(batch.num), self.categorical(batch.cat)], dim=-1)

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Output:
        """What :meth:`forward` does after :meth:`embed`.

        Args:
            embedded: ``(B, [T,] d_flat)``.
            mask: valid steps of sequences, ``(B, T)`` bool; None: all, and for tables.
        """
        hidden, penalty = self.backbone(self._shaped(embedded))
        return Output(raw=self.head(hidden), penalty=penalty)

    @torch.no_grad()
    def _start(self, rows: Batch) -> None:
        """Let data-aware parts begin from train rows; of many, some at random and those with the extreme targets."""
        assert rows.target is not None
        if len(rows) > START_ROWS:
            index = torch.randperm(len(rows))[:START_ROWS]
            if rows.target.is_floating_point():
                index = torch.cat([index, rows.target.argmin(0), rows.target.argmax(0)])
            rows = rows.take(index.unique())
        rows = replace(rows, cat=rows.cat.long())
        self.eval()
        x = self._shaped(self.embed(rows))
        if isinstance(self.backbone, DataAware):
            self.backbone.start(x, rows)
        if isinstance(self.head, DataAware):
            self.head.start(self.backbone(x)[0], rows)
        self.train()

    def _shaped(self, embedded: Tensor) -> Tensor:
        """Embedded rows as the backbone accepts them."""
        return embedded.unflatten(-1, (self.layout.n_columns, -1)) if self.backbone.accepts == "tokens" else embedded

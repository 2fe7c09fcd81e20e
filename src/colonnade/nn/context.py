"""Context: the train rows that a network keeps, to look things up in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.nn.labels import Labels

log = logging.getLogger(__name__)


class Context(nn.Module):
    """Encoded train rows, their labels and ids, as buffers: they go where the weights go, into the run folder too.

    Their number follows from the specification, so a network rebuilt without data takes a stored state. Beyond
    ``max_rows`` train rows so many are drawn without replacement, with torch's generator, whose seed is that of the
    run; they keep their order.

    Args:
        spec: of the data; without ``train_rows`` the numbers are NaN until a state is loaded.
        max_rows: rows that are kept at most.

    Raises:
        ValueError: ``max_rows`` is below two.
        ConfigError: there are fewer than two train rows.
    """

    num: Tensor
    cat: Tensor
    label: Tensor
    row_id: Tensor

    def __init__(self, *, spec: BatchSpec, max_rows: int) -> None:
        super().__init__()
        if max_rows < 2:
            raise ValueError(f"max_context={max_rows} is out of range: expected max_context >= 2")
        if spec.n_train < 2:
            raise ConfigError(f"model looks things up in other train rows, and there are {spec.n_train}: see the split")
        self.labels = Labels(spec)
        n = min(spec.n_train, max_rows)
        self.register_buffer("num", torch.full((n, spec.n_num), torch.nan))
        self.register_buffer("cat", torch.zeros(n, spec.n_cat, dtype=torch.int32))
        self.register_buffer("label", torch.full((n, self.labels.d), torch.nan))
        self.register_buffer("row_id", torch.full((n,), -1))
        if spec.train_rows is not None:
            self._keep(spec.train_rows, n)

    def __len__(self) -> int:
        return self.row_id.shape[0]

    def rows(self, index: Tensor | None = None) -> Batch:
        """The rows of ``index`` ``(N,)`` int64, or all of them, without targets."""
        if index is None:
            return Batch(num=self.num, cat=self.cat.long())
        return Batch(num=self.num.index_select(0, index), cat=self.cat.index_select(0, index).long())

    def _keep(self, rows: Batch, n: int) -> None:
        if n < len(rows):
            log.info("model.max_context: %s of %s train rows are kept, drawn at random", f"{n:,}", f"{len(rows):,}")
            # Drawn on the processor, where the rows lie.
            rows = rows.take(torch.randperm(len(rows))[:n].sort().values)
        assert rows.target is not None
        assert rows.row_id is not None
        self.num.copy_(rows.num)
        self.cat.copy_(rows.cat)
        self.label.copy_(self.labels.vectors(rows.target))
        self.row_id.copy_(rows.row_id)


@dataclass
class Lookup:
    """What a backbone sees of the context during one forward pass.

    Args:
        context: the rows.
        keys: called with positions of rows ``(N,)``, or None for all; gives what the backbone's own ``keys`` makes of
            them, ``(N, ...)``. In evaluation without gradients those of all rows are computed once.
        own: ids of the rows of the batch ``(B,)``, where these are train rows; None where they are not.
    """

    context: Context
    keys: Callable[[Tensor | None], Tensor]
    own: Tensor | None = None

    def __len__(self) -> int:
        return len(self.context)

    def labels(self, index: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Labels of the rows of ``index`` ``(N,)``, or of all."""
        return self.context.label if index is None else self.context.label.index_select(0, index)

    def same(self, index: Tensor | None = None) -> Bool[Tensor, "b n"] | None:
        """Which rows of ``index`` (or of all) are the row of the batch itself; None: no row is."""
        if self.own is None:
            return None
        ids = self.context.row_id if index is None else self.context.row_id.index_select(0, index)
        return self.own.unsqueeze(1) == ids

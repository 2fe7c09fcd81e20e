"""Store: encoded rows as tensors, from which batches are gathered."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.errors import DataError, collect

# Half of the width of Batch.cat: codes are widened after the gather.
CODE_DTYPE = torch.int32
# What a network needs beside the data is not known here, so half of the free memory is left to it.
_SHARE_OF_FREE = 0.5
_SHOWN = 5


class Rows(Protocol):
    """What loaders ask of a store."""

    def __len__(self) -> int: ...

    @property
    def num(self) -> Tensor:
        """Encoded numbers ``(N, F)`` float32, of rows or of all their steps."""

    @property
    def cat(self) -> Tensor:
        """Codes ``(N, K)`` int32, of rows or of all their steps."""

    @property
    def target(self) -> Tensor | None:
        """As :class:`~colonnade.core.batch.Batch` holds it; None when there is none."""

    @property
    def weight(self) -> Tensor | None:
        """``(N,)`` float32 sample weight; None means one."""

    @property
    def device(self) -> torch.device:
        """Where the rows lie."""

    @property
    def lengths(self) -> Tensor | None:
        """Steps of each sequence, ``(N,)`` int64 on the processor; None where all rows are equally long."""

    def gather(self, index: Tensor) -> Batch:
        """The rows of ``index`` ``(B,)`` int64, on the store's device, in that order."""

    def rows(self, start: int, stop: int) -> Batch:
        """Rows ``start:stop``."""

    def to(self, device: torch.device | str) -> Rows:
        """The same rows in the memory of a device."""

    def fits(self, device: torch.device) -> bool:
        """Whether the rows take at most half of a GPU's free memory."""


@dataclass(frozen=True)
class Store:
    """Encoded rows, one tensor a field.

    Args:
        num: ``(N, F)`` float32.
        cat: ``(N, K)`` int32 codes; batches hold them as int64.
        row_id: ``(N,)`` int64, position of each row in the source.
        target: as :class:`~colonnade.core.batch.Batch` holds it; None when there is none.
        weight: ``(N,)`` float32 sample weight; None means one.
        mapped: ``num`` and ``cat`` lie in files, and are read when they are used.
    """

    num: Tensor
    cat: Tensor
    row_id: Tensor
    target: Tensor | None = None
    weight: Tensor | None = None
    mapped: bool = False

    def __len__(self) -> int:
        return self.num.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the rows lie."""
        return self.num.device

    @property
    def lengths(self) -> None:
        """Rows of a table have no steps."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self._tensors().values())

    def gather(self, index: Tensor) -> Batch:
        """The rows of ``index`` ``(B,)`` int64, on the store's device, in that order."""
        return Batch(
            num=self.num.index_select(0, index),
            cat=self.cat.index_select(0, index).long(),
            target=None if self.target is None else self.target.index_select(0, index),
            weight=None if self.weight is None else self.weight.index_select(0, index),
            row_id=self.row_id.index_select(0, index),
        )

    def rows(self, start: int, stop: int) -> Batch:
        """Rows ``start:stop``; all but the codes are views."""
        return Batch(
            num=self.num[start:stop],
            cat=self.cat[start:stop].long(),
            target=None if self.target is None else self.target[start:stop],
            weight=None if self.weight is None else self.weight[start:stop],
            row_id=self.row_id[start:stop],
        )

    def to(self, device: torch.device | str) -> Store:
        """The same rows in the memory of a device."""
        return replace(self, mapped=False, **{name: t.to(device) for name, t in self._tensors().items()})

    def fits(self, device: torch.device) -> bool:
        """Whether the rows take at most half of a GPU's free memory."""
        free, _ = torch.cuda.mem_get_info(device)
        return self.nbytes <= free * _SHARE_OF_FREE

    def _tensors(self) -> dict[str, Tensor]:
        values = {f.name: self.__dict__[f.name] for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def encoded_bytes(n_rows: int, n_num: int, n_cat: int) -> int:
    """Bytes that ``n_rows`` encoded rows take, targets left aside."""
    return n_rows * (n_num * torch.float32.itemsize + n_cat * CODE_DTYPE.itemsize)


def allocate(n_rows: int, n_num: int, n_cat: int) -> tuple[Tensor, Tensor]:
    """Memory for encoded rows: ``num (N, F)`` float32 and ``cat (N, K)`` int32, not initialised."""
    return torch.empty(n_rows, n_num), torch.empty(n_rows, n_cat, dtype=CODE_DTYPE)


def sample_weight(frame: pl.DataFrame, name: str, *, row_ids: np.ndarray | None = None) -> Tensor:
    """Sample weights from their column.

    Args:
        frame: typed rows.
        name: the weight column.
        row_ids: ``(N,)`` position of each row in its source, for messages; None: position in ``frame``.

    Returns:
        ``(N,)`` float32.

    Raises:
        DataError: the column holds no numbers, weights are missing, infinite or negative, or all are zero.
    """
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(f"weight column '{name}' (data.weight) holds {column.dtype}, but weights are numbers")
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    with collect(DataError, f"weight column '{name}' (data.weight)") as faults:
        for fault, wrong in (("missing or infinite", ~np.isfinite(values)), ("negative", values < 0)):
            if wrong.any():
                at = np.flatnonzero(wrong)
                ids = at if row_ids is None else row_ids[at]
                shown = ", ".join(str(i) for i in ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
                faults.add(f"{fault} in {len(at)} of {len(values)} rows (from 0: {shown}); weights are finite and >= 0")
        if len(values) and not values.any():
            faults.add("is zero in all rows")
    return torch.from_numpy(values.astype(np.float32))

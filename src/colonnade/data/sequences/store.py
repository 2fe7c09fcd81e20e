"""SequenceStore: encoded steps of all series one after the other, from which padded batches are gathered."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from colonnade.core.batch import Batch

# What a network needs beside the data is not known here, so half of the free memory is left to it.
SHARE_OF_FREE = 0.5


def padded(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Where the steps of some series lie, side by side.

    Args:
        starts: first step of each series in the store, ``(B,)`` int64.
        lengths: its steps, ``(B,)`` int64, one at least.

    Returns:
        ``index (B, T)`` int64, ``T`` being the longest: padding repeats the last step; and ``mask (B, T)`` bool, which
        is false there.
    """
    step = torch.arange(int(lengths.max()), device=starts.device)
    mask = step < lengths.unsqueeze(1)
    return starts.unsqueeze(1) + torch.minimum(step, lengths.unsqueeze(1) - 1), mask


@dataclass(frozen=True)
class SequenceStore:
    """Encoded series.

    Args:
        num: ``(N, F)`` float32, the steps of all series.
        cat: ``(N, K)`` int32 codes; batches hold them as int64.
        spans: ``(S, 2)`` int64, first step of each series and the one behind its last; series may share steps.
        row_id: ``(S,)`` int64, position of each series in the source.
        target: of each series, as :class:`~colonnade.core.batch.Batch` holds it; None when there is none.
        weight: ``(S,)`` float32 sample weight; None means one.
        lengths: ``(S,)`` int64 on the processor; None where all series are equally long.
    """

    num: Tensor
    cat: Tensor
    spans: Tensor
    row_id: Tensor
    target: Tensor | None = None
    weight: Tensor | None = None
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return self.row_id.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the steps lie."""
        return self.num.device

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self._tensors().values())

    def gather(self, index: Tensor) -> Batch:
        """The series of ``index`` ``(B,)`` int64, on the store's device, in that order, padded to the longest of them.

        The mask is None where all series of the store are equally long.
        """
        starts, ends = self.spans.index_select(0, index).unbind(1)
        steps, mask = padded(starts, ends - starts)
        return Batch(
            num=self.num.index_select(0, steps.flatten()).unflatten(0, steps.shape),
            cat=self.cat.index_select(0, steps.flatten()).unflatten(0, steps.shape).long(),
            mask=None if self.lengths is None else mask,
            target=None if self.target is None else self.target.index_select(0, index),
            weight=None if self.weight is None else self.weight.index_select(0, index),
            row_id=self.row_id.index_select(0, index),
        )

    def rows(self, start: int, stop: int) -> Batch:
        """Series ``start:stop``, see :meth:`gather`."""
        return self.gather(torch.arange(start, min(stop, len(self)), device=self.device))

    def to(self, device: torch.device | str) -> SequenceStore:
        """The same series in the memory of a device."""
        return replace(self, **{name: t.to(device) for name, t in self._tensors().items()})

    def fits(self, device: torch.device) -> bool:
        """Whether the series take at most half of a GPU's free memory."""
        free, _ = torch.cuda.mem_get_info(device)
        return self.nbytes <= free * SHARE_OF_FREE

    def _tensors(self) -> dict[str, Tensor]:
        values = {f.name: self.__dict__[f.name] for f in fields(self) if f.name != "lengths"}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

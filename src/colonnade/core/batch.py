"""Batch: what a network is given. Leading dimensions are free, so tables and sequences share one type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import repeat

import torch
from torch import Tensor


@dataclass
class Batch:
    """Encoded rows. Not frozen: Lightning's half-precision plugins rebuild it in place.

    Args:
        num: encoded numeric columns, ``(B, [T,] F)``, float32. ``F`` may be 0. A window goes on
            into its horizon where columns are known ahead, see :attr:`~colonnade.core.spec.BatchSpec.known`.
        cat: category codes, ``(B, [T,] K)``, int64; 0 is missing, 1 is unknown. ``K`` may be 0.
        mask: valid steps of sequences, ``(B, T)``, bool: true up to the length of each, false in the padding behind it;
            None where all steps are valid, and for tables.
        target: class index ``(B,)`` int64, labels ``(B, L)`` float32, or standardised values ``(B, T)`` float32.
        weight: sample weight ``(B,)`` float32; None means one.
        row_id: position of the row in the source, ``(B,)`` int64.
    """

    num: Tensor
    cat: Tensor
    mask: Tensor | None = None
    target: Tensor | None = None
    weight: Tensor | None = None
    row_id: Tensor | None = None

    def __len__(self) -> int:
        return self.num.shape[0]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._map(lambda t: t.to(device, non_blocking=non_blocking))

    def rows(self, start: int, stop: int) -> Batch:
        """Rows ``start:stop``, as views."""
        return self._map(lambda t: t[start:stop])

    def until(self, steps: int) -> Batch:
        """The first ``steps`` steps of each sequence, as views."""
        mask = None if self.mask is None else self.mask[:, :steps]
        return replace(self, num=self.num[:, :steps], cat=self.cat[:, :steps], mask=mask)

    def take(self, index: Tensor) -> Batch:
        """The rows of ``index`` ``(N,)`` int64, in that order, as copies."""
        return self._map(lambda t: t.index_select(0, index))

    def split(self, sizes: int | Sequence[int]) -> list[Batch]:
        """Consecutive pieces of ``sizes`` rows each (of one size, the last may be shorter), as views."""
        # One call a tensor for all pieces: this stands in the loop of the optimizer steps.
        tensors = (self.num, self.cat, self.mask, self.target, self.weight, self.row_id)
        pieces = (repeat(None) if t is None else t.split(sizes) for t in tensors)
        return [Batch(*piece) for piece in zip(*pieces)]

    def _map(self, function) -> Batch:  # type: ignore[no-untyped-def]
        values = (getattr(self, f.name) for f in fields(self))
        return Batch(*(None if v is None else function(v) for v in values))  # type: ignore[arg-type]

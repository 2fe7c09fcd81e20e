"""WindowStore: windows of context and horizon over the steps of all series, which are integers and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.data.sequences.store import SHARE_OF_FREE


@dataclass(frozen=True)
class WindowStore:
    """Windows of the steps of some series. Each has an origin, the first step that is forecast: ``context`` steps stand
    before it, ``horizon`` from it on. They are ranges of consecutive origins: one for each series, or several, where
    some are left out. Other origins are another store of the same steps.

    Args:
        num: ``(N, F)`` float32, the steps of all series, one series after the other.
        cat: ``(N, K)`` int32 codes; batches hold them as int64.
        target: ``(N, C)`` float32, what is forecast, standardised: its value at each step.
        first: ``(R,)`` int64, step of the first origin of each range.
        before: ``(R + 1,)`` int64, windows of all ranges before each, and of all.
        context, horizon: steps.
        ahead: steps of the horizon that a window goes on into, for columns that are known ahead: ``horizon``, or 0.
        there: ``(N, C)`` bool, values of the target that are none that were filled in; the others are NaN in what is
            forecast. None: all are.
        begin: ``(R,)`` int64, first step of the series of each range, which is repeated where a window begins before
            it; None: none does.
    """

    num: Tensor
    cat: Tensor
    target: Tensor
    first: Tensor
    before: Tensor
    context: int
    horizon: int
    ahead: int = 0
    there: Tensor | None = None
    begin: Tensor | None = None

    def __len__(self) -> int:
        return int(self.before[-1])

    @property
    def device(self) -> torch.device:
        """Where the steps lie."""
        return self.num.device

    @property
    def lengths(self) -> None:
        """All windows are equally long."""
        return None

    @property
    def weight(self) -> None:
        """All windows weigh the same."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self._tensors().values())

    @property
    def spans(self) -> Tensor:
        """Of each range with windows the first step they look at, and the one behind the last that is forecast,
        ``(R, 2)`` int64.
        """
        seen, count = self.first - self.context, self.before.diff()
        begins = seen if self.begin is None else torch.maximum(seen, self.begin)
        return torch.stack([begins, self.first + count + self.horizon - 1], dim=1)[count > 0]

    @property
    def bytes_of_window(self) -> int:
        """Bytes of a window in a batch."""
        steps = (self.context + self.ahead) * (self.num.shape[1] * 4 + self.cat.shape[1] * 8)
        return steps + self.horizon * self.target.shape[1] * 4 + 8

    def origins(self, index: Tensor) -> Tensor:
        """Steps at which the forecasts of windows begin, ``(B,)`` int64."""
        return self._placed(index)[0]

    def gather(self, index: Tensor) -> Batch:
        """The windows of ``index`` ``(B,)`` int64, on the store's device, in that order.

        Targets are ``(B, horizon * C)``: all values of the first step, then of the second, ...
        """
        origin, place = self._placed(index)
        past, length = origin - self.context, self.context + self.ahead
        if self.begin is None:
            num, cat = (_spans(steps, length).index_select(0, past) for steps in (self.num, self.cat))
        else:
            seen = past.unsqueeze(1) + torch.arange(length, device=self.device)
            seen = torch.maximum(seen, self.begin.index_select(0, place).unsqueeze(1))
            num, cat = (
                steps.index_select(0, seen.flatten()).unflatten(0, seen.shape) for steps in (self.num, self.cat)
            )
        target = _spans(self.target, self.horizon).index_select(0, origin).flatten(1)
        if self.there is not None:
            there = _spans(self.there, self.horizon).index_select(0, origin).flatten(1)
            target = target.masked_fill_(~there, torch.nan)
        return Batch(
            num=num,
            cat=cat.long(),
            target=target,
            row_id=origin,
        )

    def rows(self, start: int, stop: int) -> Batch:
        """Windows ``start:stop``, see :meth:`gather`."""
        return self.gather(torch.arange(start, min(stop, len(self)), device=self.device))

    def to(self, device: torch.device | str) -> WindowStore:
        """The same windows in the memory of a device."""
        moved: dict[str, Any] = {name: t.to(device) for name, t in self._tensors().items()}
        return replace(self, **moved)

    def fits(self, device: torch.device) -> bool:
        """Whether the steps take at most half of a GPU's free memory."""
        free, _ = torch.cuda.mem_get_info(device)
        return self.nbytes <= free * SHARE_OF_FREE

    def _placed(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Origins of windows, and the ranges in which they lie."""
        place = torch.searchsorted(self.before, index, right=True) - 1
        return self.first.index_select(0, place) + index - self.before.index_select(0, place), place

    def _tensors(self) -> dict[str, Tensor]:
        return {f.name: value for f in fields(self) if isinstance(value := self.__dict__[f.name], Tensor)}


def _spans(steps: Tensor, n: int) -> Tensor:
    """Every ``n`` consecutive steps, ``(N - n + 1, n, C)``, as a view: a window is a piece of contiguous steps."""
    (count, width), (step, column) = steps.shape, steps.stride()
    return steps.as_strided((max(0, count - n + 1), n, width), (step, step, column))
